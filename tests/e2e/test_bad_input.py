"""What users get wrong: each time the reference's words say so, and putting the cause right is all that it takes.

Nobody touches a DataVolume here once it is applied (literal-texts 1.2 to 1.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, KubectlError, Object
from tests.e2e import disks, manifests, webserver
from tests.e2e.installation import Installation
from tests.e2e.namespaces import logs, tells
from tests.e2e.sources import MIB, Image
from tests.e2e.watch import Watch, phase, phases

GIVEN = "40Mi"
NOT_AN_IMAGE = "Unexpected content type 'text/html'. Content might not be a KubeVirt image."
NEW_CLASS = "e2e-new-class"
OTHER_NEW_CLASS = "e2e-other-new-class"


@dataclass(frozen=True)
class Place:
    """What a row of the table works with."""

    kubectl: Kubectl
    server: WebServer
    images: Mapping[str, Image]

    def local_url(self, service: str) -> str:
        return f"http://{service}.{self.kubectl.namespace}.svc/small.qcow2"

    def put(self, path: str, image: str) -> None:
        self.server.put(path, self.images[image].path)

    def volume(self, name: str, url: str, **asked: str) -> Object:
        spec = manifests.claim_spec(GIVEN, **({"storage_class": "csi", **MODES} | asked))
        return manifests.data_volume(name, source=manifests.http(url), storage=spec)


MODES = {"mode": "Filesystem", "access_mode": "ReadWriteOnce"}


@dataclass(frozen=True)
class Wrong:
    """A DataVolume that cannot succeed, what it says about that, and what puts it right."""

    name: str
    made: Callable[[Place, str], Object]
    """(place, name) -> manifest; what must be there, and wrong, for it, is made here too."""
    says: tuple[str, str, str]
    """A condition with status False: its type, its reason, and a part of its message."""
    event: str
    """A part of the message of an event."""
    healed: Callable[[Place], None]


def unknown_name(place: Place, name: str) -> Object:
    return place.volume(name, place.local_url("nowhere"))


def the_name_appears(place: Place) -> None:
    place.kubectl.apply(*manifests.service("nowhere", webserver.address(place.server), 8080))


def closed_port(place: Place, name: str) -> Object:
    service, _ = manifests.service("shut", webserver.address(place.server), 8080)
    place.kubectl.apply(service)
    return place.volume(name, place.local_url("shut"))


def the_port_opens(place: Place) -> None:
    place.kubectl.apply(*manifests.service("shut", webserver.address(place.server), 8080))


def missing_file(place: Place, name: str) -> Object:
    place.server.delete("appears-later.qcow2")
    return place.volume(name, place.server.url("appears-later.qcow2"))


def the_file_appears(place: Place) -> None:
    place.put("appears-later.qcow2", "small.qcow2")


def broken_image(place: Place, name: str) -> Object:
    """A qcow2 whose upload was cut short after the first kilobyte."""
    place.server.put("cut.qcow2", place.images["small.qcow2"].path.read_bytes()[:1024])
    return place.volume(name, place.server.url("cut.qcow2"))


def the_image_is_uploaded_again(place: Place) -> None:
    place.put("cut.qcow2", "small.qcow2")


def too_short(place: Place, name: str) -> Object:
    """An answer of a few words where a disk was expected."""
    place.server.put("words.img", b"Please log in first.\n")
    return place.volume(name, place.server.url("words.img"))


def the_words_become_an_image(place: Place) -> None:
    place.put("words.img", "small.qcow2")


def web_page(place: Place, name: str) -> Object:
    """The page with the links, where the image was meant."""
    place.put("download.html", "page.html")
    return place.volume(name, place.server.url("download.html"))


def the_page_becomes_an_image(place: Place) -> None:
    place.put("download.html", "small.qcow2")


def too_large(place: Place, name: str) -> Object:
    place.put("grown.qcow2", "medium.qcow2")
    return place.volume(name, place.server.url("grown.qcow2"))


def too_large_for_device(place: Place, name: str) -> Object:
    place.put("grown.raw", "medium.raw")
    return place.volume(name, place.server.url("grown.raw"), mode="Block")


def the_image_shrinks(place: Place) -> None:
    place.put("grown.qcow2", "small.qcow2")


def the_raw_image_shrinks(place: Place) -> None:
    place.put("grown.raw", "small.raw")


def unknown_class(place: Place, name: str) -> Object:
    asked = manifests.claim_spec(GIVEN, storage_class=NEW_CLASS)
    return manifests.data_volume(name, source=manifests.http(place.server.url("small.qcow2")), storage=asked)


def unknown_class_with_modes(place: Place, name: str) -> Object:
    return place.volume(name, place.server.url("small.qcow2"), storage_class=OTHER_NEW_CLASS)


def class_appears(name: str) -> Callable[[Place], None]:
    def heal(place: Place) -> None:
        found = place.kubectl.get("storageclass", "csi")
        fields = ("apiVersion", "kind", "provisioner", "volumeBindingMode", "reclaimPolicy")
        place.kubectl.apply({**{field: found[field] for field in fields}, "metadata": {"name": name}})

    return heal


CANNOT_CONNECT = "Unable to connect to http data source"
NOT_FOUND = f"{CANNOT_CONNECT}: expected status code 200, got 404. Status: 404 Not Found"
NO_HEADER = "could not process image header"
NO_IMAGE = "Invalid format html for image"
TOO_SMALL = "DataVolume too small to contain image"
NO_CLASS = "PVC spec is missing accessMode and no storageClass to choose profile"

WRONG = [
    Wrong("unknown-name", unknown_name, ("Running", "Error", CANNOT_CONNECT), CANNOT_CONNECT, the_name_appears),
    Wrong("closed-port", closed_port, ("Running", "Error", CANNOT_CONNECT), CANNOT_CONNECT, the_port_opens),
    Wrong("missing-file", missing_file, ("Running", "Error", NOT_FOUND), NOT_FOUND, the_file_appears),
    Wrong(
        "broken-image",
        broken_image,
        ("Running", "Error", "Unable to process data"),
        "Unable to process data",
        the_image_is_uploaded_again,
    ),
    Wrong("too-short", too_short, ("Running", "Error", NO_HEADER), NO_HEADER, the_words_become_an_image),
    Wrong("web-page", web_page, ("Running", "Error", NO_IMAGE), NO_IMAGE, the_page_becomes_an_image),
    Wrong("too-large", too_large, ("Running", "Error", TOO_SMALL), TOO_SMALL, the_image_shrinks),
    Wrong("too-large-device", too_large_for_device, ("Running", "Error", TOO_SMALL), TOO_SMALL, the_raw_image_shrinks),
    Wrong("unknown-class", unknown_class, ("Bound", "ErrClaimNotValid", NO_CLASS), NO_CLASS, class_appears(NEW_CLASS)),
    Wrong(
        "unknown-class-modes",
        unknown_class_with_modes,
        ("Bound", "Pending", "PVC unknown-class-modes Pending"),
        f'"{OTHER_NEW_CLASS}" not found',
        class_appears(OTHER_NEW_CLASS),
    ),
]
each = pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)


@dataclass(frozen=True)
class Ward:
    """All patients of the table, applied at once; and what their charts and the events said before any was healed."""

    place: Place
    volumes: Watch
    complaints: Mapping[str, list[Object]]
    events: str
    warned: bool
    """Whether a worker's log said what the source is rather than an image."""


@pytest.fixture(scope="module")
def ward(shared_namespace: Kubectl, server: WebServer, images: Mapping[str, Image]) -> Iterator[Ward]:
    place = Place(shared_namespace, server, images)
    try:
        with Watch(shared_namespace, "datavolumes") as volumes:
            shared_namespace.apply(*(wrong.made(place, wrong.name) for wrong in WRONG))
            volumes.within(150, lambda _: all(said(volumes, wrong) for wrong in WRONG))
            tells(shared_namespace, *(wrong.event for wrong in WRONG))
            events = shared_namespace.events()
            warned = logs(shared_namespace, "--selector=cdi.kubevirt.io=importer", text=NOT_AN_IMAGE)
            complaints = {wrong.name: volumes.history(wrong.name) for wrong in WRONG}
            for wrong in WRONG:
                wrong.healed(place)
            yield Ward(place, volumes, complaints, events, warned)
    finally:
        shared_namespace.delete("storageclass", NEW_CLASS, OTHER_NEW_CLASS)


def said(volumes: Watch, wrong: Wrong) -> bool:
    return any(says(obj, *wrong.says) for obj in volumes.history(wrong.name))


def says(obj: Object, kind: str, reason: str, text: str) -> bool:
    """Whether a condition of that type is False with this reason and a message that contains the text."""
    return any(
        (condition["type"], condition["status"], condition.get("reason")) == (kind, "False", reason)
        and text in condition.get("message", "")
        for condition in (obj.get("status") or {}).get("conditions", ())
    )


@each
def test_says_what_is_wrong(wrong: Wrong, ward: Ward) -> None:
    history = ward.complaints[wrong.name]
    conditions = [obj["status"].get("conditions") for obj in history if "status" in obj]
    assert any(says(obj, *wrong.says) for obj in history), conditions
    assert wrong.event in ward.events
    # A failed import tries on: Failed would be for good (spec 2.3).
    assert not {"Failed", "Succeeded"} & set(phases(history))


@each
def test_heals(wrong: Wrong, ward: Ward, images: Mapping[str, Image]) -> None:
    ward.volumes.until(lambda now: phase(now, wrong.name) == "Succeeded", f"{wrong.name} heals", 120)
    ended = ward.volumes.now[wrong.name]
    running = next(c for c in ended["status"]["conditions"] if c["type"] == "Running")
    assert (running["status"], running["reason"], running["message"]) == ("False", "Completed", "Import Complete")
    if wrong.says[0] == "Running":
        assert ended["status"]["restartCount"] >= 1


def test_what_healed_is_right(ward: Ward, installation: Installation, images: Mapping[str, Image]) -> None:
    names = [wrong.name for wrong in WRONG if phase(ward.volumes.now, wrong.name) == "Succeeded"]
    modes = {claim["metadata"]["name"]: claim["spec"]["volumeMode"] for claim in ward.place.kubectl.items("pvc")}
    found = disks.read(
        ward.place.kubectl, installation.python_image, [disks.Expected(name, modes[name], 16 * MIB) for name in names]
    )
    sources = {name: "small.raw" if name == "too-large-device" else "small.qcow2" for name in names}
    assert {name: disk.sha256 for name, disk in found.items()} == {n: images[s].sha256 for n, s in sources.items()}
    assert [name for name, disk in found.items() if disk.nonzero_after_image] == []


def test_the_log_says_more(ward: Ward) -> None:
    """Whoever copied the URL of a page reads it in the log, in words that clients look for (spec 5.3)."""
    assert ward.warned


def test_a_wrong_checksum_is_final(namespace: Kubectl, server: WebServer) -> None:
    """Spec 2.3: the one error after which the reference does not try again."""
    source = manifests.http(server.url("small.qcow2"), checksum="sha256:" + "0" * 64)
    asked = manifests.claim_spec(GIVEN, storage_class="csi", **MODES)
    namespace.apply(manifests.data_volume("wrong-sum", source=source, storage=asked))
    namespace.wait("dv/wrong-sum", "jsonpath={.status.phase}=Failed")
    found = namespace.get("dv", "wrong-sum")
    assert says(found, "Running", "ChecksumError", "checksum validation failed")
    assert tells(namespace, "Failed to import into PVC wrong-sum")


@pytest.mark.alone
def test_no_default_class(namespace: Kubectl, server: WebServer, installation: Installation) -> None:
    """The cluster's default class loses its mark; giving it back is enough."""
    mark = "storageclass.kubernetes.io/is-default-class"
    classes = installation.kubectl.items("storageclass")
    default = [c["metadata"]["name"] for c in classes if c["metadata"].get("annotations", {}).get(mark) == "true"]
    assert default == ["csi"]
    source = manifests.http(server.url("small.qcow2"))
    with Watch(namespace, "datavolumes") as volumes:
        try:
            installation.kubectl("annotate", "--overwrite", "storageclass", *default, f"{mark}=false")
            namespace.apply(manifests.data_volume("homeless", source=source, storage=manifests.claim_spec(GIVEN)))
            volumes.until(
                lambda now: "homeless" in now and says(now["homeless"], "Bound", "ErrClaimNotValid", NO_CLASS),
                "it says that there is no class",
            )
            assert tells(namespace, NO_CLASS)
            assert phase(volumes.now, "homeless") == ""
        finally:
            installation.kubectl("annotate", "--overwrite", "storageclass", *default, f"{mark}=true")
        volumes.until(lambda now: phase(now, "homeless") == "Succeeded", "it heals")


QUOTAS = {
    # what is used up -> its limit, a later one; the condition and the event that tell of it
    "claims": ({"persistentvolumeclaims": "0"}, "5", "Bound", "exceeded quota"),
    "storage": ({"requests_storage": "1Mi"}, "1Gi", "Bound", "exceeded quota"),
    "hidden-claims": ({"persistentvolumeclaims": "1"}, "5", "Bound", "ErrCreatingPVCPrime"),
    "pods": ({"pods": "0"}, "5", "Running", "Error starting pod 'importer-prime-"),
}


@pytest.mark.parametrize("used_up", QUOTAS)
def test_exceeded_quota(used_up: str, namespace: Kubectl, server: WebServer) -> None:
    hard, later, condition, event = QUOTAS[used_up]
    namespace.apply(manifests.quota("limit", **hard))
    namespace.wait("resourcequota/limit", "jsonpath={.status.hard}")
    source = manifests.http(server.url("small.qcow2"))
    asked = manifests.claim_spec(GIVEN, storage_class="csi", **MODES)
    told = (condition, "ErrExceededQuota", "exceeded quota")
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(manifests.data_volume("poor", source=source, storage=asked))
        volumes.until(lambda now: "poor" in now and says(now["poor"], *told), "it tells of the quota")
        assert tells(namespace, event)
        if namespace.items("pvc") == []:
            assert says(volumes.now["poor"], "Ready", "ErrExceededQuota", "exceeded quota")
            assert phase(volumes.now, "poor") == "Pending"
        namespace.apply(manifests.quota("limit", **dict.fromkeys(hard, later)))
        volumes.until(lambda now: phase(now, "poor") == "Succeeded", "it heals when the quota is raised")


def test_a_name_that_is_taken(namespace: Kubectl) -> None:
    """By somebody's claim: refused until that is gone."""
    asked = manifests.claim_spec("1Mi", storage_class="csi", **MODES)
    namespace.apply(manifests.claim("taken", asked))
    wanted = manifests.data_volume("taken", source={"blank": {}}, pvc=asked)
    assert f"Destination PVC {namespace.namespace}/taken already exists" in refusal(namespace, wanted)
    namespace.delete("pvc", "taken")
    namespace.apply(wanted)
    namespace.wait("dv/taken", "jsonpath={.status.phase}=Succeeded")


def test_a_limit_range(namespace: Kubectl, server: WebServer) -> None:
    """What the API server says about the claim is told; when the limit goes, the claim is made."""
    limit = {"type": "PersistentVolumeClaim", "max": {"storage": "10Mi"}}
    meta = {"kind": "LimitRange", "apiVersion": "v1", "metadata": {"name": "small"}}
    namespace.create({**meta, "spec": {"limits": [limit]}})
    text = "maximum storage usage per PersistentVolumeClaim is 10Mi"
    with Watch(namespace, "datavolumes") as volumes:
        asked = manifests.claim_spec(GIVEN, storage_class="csi", **MODES)
        source = manifests.http(server.url("small.qcow2"))
        namespace.apply(manifests.data_volume("large", source=source, pvc=asked))
        told = ("Bound", "ErrClaimNotValid", text)
        volumes.until(lambda now: "large" in now and says(now["large"], *told), "it tells of the limit")
        assert tells(namespace, text)
        namespace.delete("limitrange", "small")
        volumes.until(lambda now: phase(now, "large") == "Succeeded", "it heals when the limit goes")


INVALID: dict[str, tuple[Object, tuple[str, ...]]] = {
    # what is wrong -> (spec, what kubectl prints: one of these)
    "content-type": (
        {"contentType": "test"},
        ('supported values: "kubevirt", "archive"', "ContentType not one of: kubevirt, archive"),
    ),
    "source-is-text": ({"source": "http://images"}, ("spec.source in body must be of type object",)),
    "source-without-url": ({"source": {"http": {}}}, ("spec.source.http.url: Required value",)),
    "clone-without-name": ({"source": {"pvc": {"namespace": "here"}}}, ("spec.source.pvc.name: Required value",)),
    "size-is-text": (
        {"storage": manifests.claim_spec("plenty")},
        ("quantities must match the regular expression", "in body should match"),
    ),
    "misspelt-field": ({"sauce": {}}, ('unknown field "spec.sauce"',)),
}


@pytest.mark.parametrize("mistake", INVALID)
def test_invalid_manifest(mistake: str, namespace: Kubectl) -> None:
    """The API server says no, in these words, before anything is stored."""
    spec, texts = INVALID[mistake]
    good = manifests.data_volume("wrong", source=manifests.http("http://images"), storage=manifests.claim_spec("1Gi"))
    said = refusal(namespace, {**good, "spec": good["spec"] | spec})
    assert any(text in said for text in texts), said
    assert namespace.items("datavolumes") == []


def refusal(kubectl: Kubectl, manifest: Object) -> str:
    with pytest.raises(KubectlError) as refused:
        kubectl.apply(manifest)
    return str(refused.value)
