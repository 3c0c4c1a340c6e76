"""VMware's library: where its image comes from, how it gets to the worker, and what is told while there is none."""

from datetime import timedelta

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Emit, Look, PatchMeta, Ref, Wait
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.view import Found
from tests.unit.flows.given import (
    CSI,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    NS,
    PRIME,
    PRIME_KEY,
    SETTINGS,
    config,
    having,
    legacy,
    obj,
    pod,
    prime,
    report,
    target,
    terminated,
)
from tests.unit.flows.importer.pods import job, legacy_pod, made, prime_pod
from tests.unit.flows.simulation import ApiServer, Controller, run
from tests.unit.world import NOW, World

VDDK = {names.SOURCE: "vddk"}
IMAGE = {**VDDK, names.VDDK_INIT_IMAGE_URL: "vddk:8"}
AWAITING = "waiting for v2v-vmware configmap or cdi.kubevirt.io/storage.pod.vddk.initimageurl annotation for VDDK image"
ADMINISTRATORS = obj("ConfigMap", "v2v-vmware", namespace="cdi", data={"vddk-init-image": "vddk:7"})


def test_the_library_is_unpacked_before_the_worker_starts():
    spec = legacy_pod(IMAGE)["spec"]
    assert spec["initContainers"] == [
        {
            "name": "vddk-side-car",
            "image": "vddk:8",
            "imagePullPolicy": "IfNotPresent",
            "resources": {},
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "vddk-vol-mount", "mountPath": "/opt"}],
        }
    ]
    assert {"name": "vddk-vol-mount", "emptyDir": {}} in spec["volumes"]
    assert {"name": "vddk-vol-mount", "mountPath": "/opt", "readOnly": True} in spec["containers"][0]["volumeMounts"]


def test_nobody_else_gets_it():
    spec = legacy_pod({names.VDDK_INIT_IMAGE_URL: "vddk:8", names.VDDK_EXTRA_ARGS: "more"})["spec"]
    assert "initContainers" not in spec
    assert "nodeSelector" not in spec
    assert [volume["name"] for volume in spec["volumes"]] == ["cdi-data-vol"]


def test_it_has_the_resources_of_the_worker():
    limits = {"limits": {"memory": "600M"}}
    made_pod = made(*LOCAL, config(defaultPodResourceRequirements=limits), legacy("Bound", IMAGE))
    assert made_pod["spec"]["initContainers"][0]["resources"] == limits


@pytest.mark.parametrize(
    ("annotations", "installed", "wanted"),
    [
        (IMAGE, [], "vddk:8"),
        (IMAGE, [ADMINISTRATORS], "vddk:8"),
        (VDDK, [ADMINISTRATORS], "vddk:7"),
    ],
)
def test_where_the_image_comes_from(annotations, installed, wanted):
    found = made(*LOCAL, HONOURS_WAIT, *installed, legacy("Bound", annotations))
    assert found["spec"]["initContainers"][0]["image"] == wanted


@pytest.mark.parametrize("installed", [(), (having(ADMINISTRATORS, data={"vddk-init-image": ""}),)])
@pytest.mark.parametrize(
    ("objects", "key"),
    [
        ((*LOCAL, legacy("Bound", VDDK)), KEY),
        ((*CSI, target(), prime("Bound", VDDK)), PRIME_KEY),
    ],
    ids=["legacy", "populator"],
)
def test_without_an_image_it_waits_and_goes_on_when_there_is_one(objects, key, installed):
    world = World(HONOURS_WAIT, *objects, *installed)

    def look():
        actions = plan(observe(world, key), SETTINGS, NOW)
        world.apply(actions)
        return actions

    def notes():
        found = world.get("PersistentVolumeClaim", key[1], NS)["metadata"]["annotations"]
        return {name: found.get(name) for name in (names.BOUND, names.BOUND_REASON, names.BOUND_MESSAGE)}, found

    patch, event = look()
    assert (type(patch), type(event)) == (PatchMeta, Emit)
    assert (event.type, event.reason, event.message) == ("Warning", "AwaitingVDDK", AWAITING)
    assert notes()[0] == {names.BOUND: "false", names.BOUND_REASON: "AwaitingVDDK", names.BOUND_MESSAGE: AWAITING}
    assert notes()[1][names.IMPORT_POD_NAME] == f"importer-{key[1]}"
    assert notes()[1][names.RUNNING_REASON] == "AwaitingVDDK"
    assert look() == (), "told once"
    if installed:
        world.edit("ConfigMap", "v2v-vmware", {"data": ADMINISTRATORS["data"]}, "cdi")
    else:
        world.add(ADMINISTRATORS)
    assert [type(action) for action in look()] == [Create]
    look()
    assert set(notes()[0].values()) == {None}, "what was missing is not told any longer"
    assert notes()[1][names.POD_PHASE] == "Pending"


@pytest.mark.parametrize(
    ("workload", "wanted"),
    [
        (None, {"kubernetes.io/arch": "amd64"}),
        ({"nodeSelector": {"role": "storage"}}, {"kubernetes.io/arch": "amd64", "role": "storage"}),
    ],
)
def test_the_library_is_for_one_architecture(workload, wanted):
    cdi = [obj("CDI", "cdi", namespace="", spec={"workload": workload})] if workload else []
    spec = made(*LOCAL, *cdi, legacy("Bound", IMAGE))["spec"]
    assert spec["nodeSelector"] == wanted
    placed = prime_pod({**IMAGE, names.SELECTED_NODE: "node-1"})["spec"]
    assert placed["nodeSelector"] == {"kubernetes.io/arch": "amd64"}


def settings(**data):
    return obj("ConfigMap", "more", data=data)


CONFIG_FILE = {"vddk-config-file": "VixDiskLib.nfcAio.Session.BufSizeIn64KB=16"}
NEAR = {"vddk-node-selector": '{"near": "vcenter"}'}
EXTRA = {**IMAGE, names.VDDK_EXTRA_ARGS: "more"}
AT_MORE = Ref("v1", "ConfigMap", "more", NS)


def look_twice(claim, *objects):
    """The ConfigMap is read first, and then it is known what to do."""
    world = World(*LOCAL, *objects, legacy("Bound", claim))
    first = plan(observe(world, KEY), SETTINGS, NOW)
    assert first == (Look(AT_MORE),)
    world.apply(first)
    return plan(observe(world, KEY), SETTINGS, NOW)


@pytest.mark.parametrize(
    ("data", "directory", "near"),
    [
        (CONFIG_FILE, "/vddk-args", None),
        (NEAR, "", "vcenter"),
        ({**CONFIG_FILE, **NEAR}, "/vddk-args", "vcenter"),
    ],
)
def test_settings_for_the_library(data, directory, near):
    (make,) = look_twice(EXTRA, settings(**data))
    spec = make.object["spec"]
    mount = {"name": "vddk-extra-args", "mountPath": "/vddk-args", "readOnly": True}
    volume = {"name": "vddk-extra-args", "configMap": {"name": "more", "optional": True}}
    assert (mount in spec["containers"][0]["volumeMounts"]) == bool(directory)
    assert (volume in spec["volumes"]) == bool(directory)
    assert job(make.object).source.extra_args_dir == directory
    assert spec["nodeSelector"].get("near") == near


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "ConfigMap 'more' (extraArgs) not found"),
        ([settings(other="x")], "has neither a key vddk-config-file nor vddk-node-selector"),
        ([settings(**{"vddk-node-selector": "near=vcenter"})], "is no JSON object of labels"),
        ([settings(**{"vddk-node-selector": '{"near": 1}'})], "is no JSON object of labels"),
        ([settings(**{"vddk-node-selector": "[]"})], "is no JSON object of labels"),
    ],
)
def test_settings_that_are_not_good(objects, message):
    patch, event, wait = look_twice(EXTRA, *objects)
    assert message in patch.annotations[names.RUNNING_MESSAGE]
    assert (event.reason, wait) == ("ErrStartingPod", Wait(10.0))


@pytest.mark.parametrize(
    ("ago_s", "read_again"),
    [(0, False), (9, False), (10, True), (3600, True)],
)
def test_settings_are_read_just_before_they_are_needed(ago_s, read_again):
    world = World(*LOCAL, legacy("Bound", EXTRA))
    world.seen["ConfigMap", NS, "more"] = Found(settings(**NEAR), NOW - timedelta(seconds=ago_s))
    (action,) = plan(observe(world, KEY), SETTINGS, NOW)
    assert (action == Look(AT_MORE)) == read_again


def test_the_controller_reads_what_nobody_follows():
    world = World()
    controller = Controller(ApiServer(world))
    world.add(settings(**NEAR))
    assert controller.cache.found("ConfigMap", "more", NS) is None
    assert 0 < run(controller.applier.carry_out((Look(AT_MORE),))) < 0.1
    assert controller.cache.found("ConfigMap", "more", NS).object["data"] == NEAR
    assert controller.cache.get("ConfigMap", "more", NS) is None, "it might have the name of one of the installation"
    run(controller.applier.carry_out((Look(Ref("v1", "ConfigMap", "none", NS)),)))
    assert controller.cache.found("ConfigMap", "none", NS).object is None


@pytest.mark.parametrize(
    ("info", "wanted"),
    [
        ({"Version": "8.0.2", "Host": "esx7"}, ("8.0.2", "esx7")),
        ({"Version": "8.0.2"}, ("8.0.2", None)),
        ({}, (None, None)),
    ],
)
def test_what_the_library_says_is_noted(info, wanted):
    done = pod("Succeeded", terminated(message=report(vddk_info=info)))
    world = World(*CSI, HONOURS_WAIT, target(), prime("Bound", IMAGE), done)
    world.apply(plan(observe(world, PRIME_KEY), SETTINGS, NOW))
    notes = world.get("PersistentVolumeClaim", PRIME, NS)["metadata"]["annotations"]
    assert (notes.get(names.VDDK_VERSION), notes.get(names.VDDK_HOST)) == wanted
