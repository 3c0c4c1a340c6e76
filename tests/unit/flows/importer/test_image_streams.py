"""An image that is named by an ImageStream: which one it is, when that is asked for, and what is told of none."""

from datetime import timedelta

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Emit, Look, PatchMeta, Ref, Wait
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.view import Found
from tests.unit.flows.given import CSI, LOCAL, NS, PRIME_KEY, SETTINGS, obj, prime, target
from tests.unit.world import NOW, World

AT_FEDORA = Ref("image.openshift.io/v1", "ImageStream", "fedora", NS)
NEWEST, OLDER = "registry.example.com/fedora@sha256:2", "registry.example.com/fedora@sha256:1"
STARTING = (
    "Error starting pod 'importer-prime-uid-claim': "
    "For more information, request access to cdi-deploy logs from your sysadmin: "
)


def named(text: str):
    """A hidden claim whose image an ImageStream names."""
    said = {names.SOURCE: "registry", names.REGISTRY_IMPORT_METHOD: "node", names.REGISTRY_IMAGE_STREAM: "true"}
    return prime("Bound", {**said, names.ENDPOINT: text})


def stream(**tags: list[str]):
    items = {tag: [{"dockerImageReference": image} for image in images] for tag, images in tags.items()}
    shown = [{"tag": tag, "items": each} for tag, each in items.items()]
    return obj("ImageStream", "fedora", apiVersion="image.openshift.io/v1", status={"tags": shown})


def look(claim, found):
    world = World(*CSI, target(), claim)
    world.seen["ImageStream", NS, "fedora"] = Found(found, NOW)
    return plan(observe(world, PRIME_KEY), SETTINGS, NOW)


@pytest.mark.parametrize(
    ("text", "found", "image"),
    [
        ("fedora", stream(latest=[NEWEST, OLDER]), NEWEST),
        ("fedora:40", stream(latest=[NEWEST], **{"40": [OLDER]}), OLDER),
        (" fedora:40 ", stream(**{"40": [OLDER]}), OLDER),
    ],
)
def test_the_image_that_a_tag_stands_for(text, found, image):
    (action,) = look(named(text), found)
    mounted = [volume["image"] for volume in action.object["spec"]["volumes"] if "image" in volume]
    assert mounted == [{"reference": image, "pullPolicy": "IfNotPresent"}]


@pytest.mark.parametrize(
    ("text", "found", "told"),
    [
        ("fedora:40", None, "ImageStream 'fedora' not found (without OpenShift, name the image by its url)"),
        ("fedora:40", stream(latest=[NEWEST]), "ImageStream 'fedora' has no image for tag '40'"),
        ("fedora", stream(latest=[]), "ImageStream 'fedora' has no image for tag 'latest'"),
        ("fedora", obj("ImageStream", "fedora"), "ImageStream 'fedora' has no image for tag 'latest'"),
    ],
)
def test_a_name_without_an_image(text, found, told):
    patch, event, wait = look(named(text), found)
    assert isinstance(patch, PatchMeta)
    assert patch.annotations[names.RUNNING_REASON] == "ErrStartingPod"
    assert event == Emit(patch.ref, "Warning", "ErrStartingPod", STARTING + told, "import-controller")
    assert wait == Wait(10)


@pytest.mark.parametrize(("ago_s", "asked_again"), [(0, False), (9, False), (10, True), (None, True)])
def test_it_is_asked_for_just_before_it_is_needed(ago_s, asked_again):
    world = World(*CSI, target(), named("fedora:40"))
    if ago_s is not None:
        world.seen["ImageStream", NS, "fedora"] = Found(stream(**{"40": [NEWEST]}), NOW - timedelta(seconds=ago_s))
    (action,) = plan(observe(world, PRIME_KEY), SETTINGS, NOW)
    assert action == Look(AT_FEDORA) if asked_again else isinstance(action, Create)


def test_nobody_else_asks():
    plain = prime("Bound", {names.SOURCE: "registry", names.REGISTRY_IMPORT_METHOD: "node"})
    (action,) = plan(observe(World(*LOCAL, target(), plain), PRIME_KEY), SETTINGS, NOW)
    assert isinstance(action, Create)
