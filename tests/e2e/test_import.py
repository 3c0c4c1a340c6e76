"""The first flow, whole: every way to ask for a disk from a web server, on every kind of storage (spec 2, 3.1, 4.2).

All DataVolumes of the table are applied at once; then each is looked at, together with all that it left behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from cdi_operator.storage.names import import_source_name, importer_pod_name, prime_name
from cdi_operator.storage.sizes import MIB, required_bytes, usable_bytes
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests
from tests.e2e.disks import Disk
from tests.e2e.installation import Installation
from tests.e2e.namespaces import HIDDEN, wait_for_none
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase, phases

STORAGE = "cdi.kubevirt.io/storage"
IMMEDIATE = f"{STORAGE}.bind.immediate.requested"
GIVEN_MIB = 40
OVERHEAD = "0.06"


@dataclass(frozen=True)
class Case:
    """One DataVolume. `image` is a file of the web server, "" a blank disk."""

    storage_class: str
    spec: str
    mode: str
    image: str
    waits: str = ""
    """On a class with WaitForFirstConsumer: for its `consumer`, or not, by the annotation for `immediate` binding."""
    literal: bool = True
    """Modes are written into the manifest, not left to the StorageProfile."""

    @property
    def name(self) -> str:
        source = self.image.replace(".", "-") or "blank"
        profile = "" if self.literal else "profile"
        words = (self.storage_class, self.waits, self.spec, self.mode.lower(), source, profile)
        return "-".join(word for word in words if word)

    @property
    def populates(self) -> bool:
        return self.storage_class != "local"

    @property
    def claim_bytes(self) -> int:
        """What the claim asks for: `storage` leaves room for the filesystem, `pvc` is taken literally (spec 4.7)."""
        inflated = self.spec == "storage" and self.mode == "Filesystem"
        return required_bytes(GIVEN_MIB * MIB, OVERHEAD) if inflated else GIVEN_MIB * MIB

    def manifest(self, server: WebServer) -> Object:
        source = manifests.http(server.url(self.image)) if self.image else {"blank": {}}
        modes = {"mode": self.mode, "access_mode": "ReadWriteOnce"} if self.literal else {}
        asked = manifests.claim_spec(f"{GIVEN_MIB}Mi", storage_class=self.storage_class, **modes)
        annotations = {IMMEDIATE: ""} if self.waits == "immediate" else None
        return manifests.data_volume(self.name, source=source, annotations=annotations, **{self.spec: asked})


CASES = [
    Case("csi", "pvc", "Filesystem", "small.qcow2"),
    Case("csi", "pvc", "Block", "small.raw"),
    Case("csi", "storage", "Filesystem", "small.raw"),
    Case("csi", "storage", "Block", "small.qcow2"),
    # Ceph's RBD prefers a shared block device (spec 4.9): that is what a user gets who gives a size only.
    Case("csi", "storage", "Block", "small.qcow2", literal=False),
    Case("csi", "storage", "Filesystem", ""),
    Case("csi", "pvc", "Block", ""),
    Case("csi-wffc", "pvc", "Filesystem", "small.raw", "consumer"),
    Case("csi-wffc", "storage", "Block", "small.qcow2", "consumer"),
    Case("csi-wffc", "storage", "Filesystem", "small.qcow2", "consumer"),
    Case("csi-wffc", "pvc", "Block", "small.raw", "consumer"),
    Case("csi-wffc", "pvc", "Filesystem", "small.qcow2", "immediate"),
    Case("csi-wffc", "storage", "Block", "small.raw", "immediate"),
    Case("csi-noclone", "pvc", "Filesystem", "small.raw"),
    Case("csi-noclone", "pvc", "Block", "small.qcow2"),
    Case("csi-noclone", "storage", "Filesystem", "small.qcow2"),
    Case("csi-noclone", "storage", "Block", "small.raw"),
    Case("local", "pvc", "Filesystem", "small.qcow2"),
    Case("local", "pvc", "Block", "small.raw"),
    Case("local", "storage", "Filesystem", "small.raw"),
    Case("local", "storage", "Block", "small.qcow2"),
    Case("local", "storage", "Filesystem", ""),
]
CONSUMED = [case for case in CASES if case.waits == "consumer"]
OTHERS = [case for case in CASES if case.waits != "consumer"]


@dataclass(frozen=True)
class Seen:
    """What is there when all is done, looked at once."""

    volumes: Mapping[str, Object]
    claims: Mapping[str, Object]
    phases: Mapping[str, list[str]]
    events: str
    disks: Mapping[str, Disk]
    names: frozenset[str]
    """`<kind>/<name>` of everything in the namespace that an import could have left."""


@pytest.fixture(scope="module")
def seen(installation: Installation, shared_namespace: Kubectl, server: WebServer) -> Iterator[Seen]:
    kubectl, image = shared_namespace, installation.python_image
    with Watch(kubectl, "datavolumes") as volumes:
        kubectl.apply(*(case.manifest(server) for case in CASES))
        waiting = "all that wait for a consumer say so"
        volumes.until(lambda now: all(phase(now, case.name) == "PendingPopulation" for case in CONSUMED), waiting)
        assert_untouched(kubectl, CONSUMED)
        disks.start_reader(kubectl, image, [expected(case, server) for case in CONSUMED], pod="consumer")
        volumes.within(150, lambda now: all(phase(now, case.name) == "Succeeded" for case in CASES))
        went = {case.name: phases(volumes.history(case.name)) for case in CASES}
        done = [case for case in OTHERS if went[case.name][-1:] == ["Succeeded"]]
        read = disks.read(kubectl, image, [expected(case, server) for case in done])
        read = {**read, **disks.finish_reader(kubectl, pod="consumer")}
        # With the last hidden claim goes whatever was made for one.
        wait_for_none(kubectl, "pvc", HIDDEN)
        left = kubectl.items("pvc,pods,volumeimportsources")
        yield Seen(
            volumes=by_name(kubectl.items("datavolumes")),
            claims=by_name(kubectl.items("pvc")),
            phases=went,
            events=kubectl.events(),
            disks=read,
            names=frozenset(f"{obj['kind']}/{obj['metadata']['name']}" for obj in left),
        )


def by_name(objects: list[Object]) -> dict[str, Object]:
    return {obj["metadata"]["name"]: obj for obj in objects}


def assert_untouched(kubectl: Kubectl, waiting: list[Case]) -> None:
    """While nobody uses a claim there is nothing but the claim (spec 2.5)."""
    claims = by_name(kubectl.items("pvc"))
    for case in waiting:
        assert claims[case.name]["status"]["phase"] == "Pending"
        assert prime_name(claims[case.name]["metadata"]["uid"]) not in claims


def expected(case: Case, server: WebServer) -> disks.Expected:
    return disks.Expected(case.name, case.mode, IMAGE_BYTES if case.image else 0)


IMAGE_BYTES = 16 * MIB

PHASES = {
    # how the claim is filled -> every phase that may be seen, in this order; those that must be
    "populator": (["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"], {"Succeeded"}),
    "consumer": (
        ["Pending", "PendingPopulation", "ImportScheduled", "ImportInProgress", "Succeeded"],
        {"PendingPopulation", "Succeeded"},
    ),
    "legacy": (["Pending", "PVCBound", "ImportScheduled", "ImportInProgress", "Succeeded"], {"Succeeded"}),
}

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each
def test_phases(case: Case, seen: Seen) -> None:
    flow = "legacy" if not case.populates else case.waits if case.waits == "consumer" else "populator"
    order, needed = PHASES[flow]
    went = seen.phases[case.name]
    assert went == [at for at in order if at in went]
    assert needed <= set(went)


@each
def test_status(case: Case, seen: Seen) -> None:
    status = seen.volumes[case.name]["status"]
    facts = {key: status.get(key) for key in ("phase", "progress", "claimName")}
    assert facts == {"phase": "Succeeded", "progress": "100.0%", "claimName": case.name}
    assert status.get("restartCount", 0) == 0
    told = {
        condition["type"]: (condition["status"], condition.get("reason", ""), condition.get("message", ""))
        for condition in status["conditions"]
    }
    assert told == {
        "Bound": ("True", "Bound", f"PVC {case.name} Bound"),
        "Ready": ("True", "", ""),
        "Running": ("False", "Completed", "Import Complete"),
    }


@each
def test_events(case: Case, seen: Seen) -> None:
    told = [f"datavolume/{case.name}", f"Successfully imported into PVC {case.name}", f"PVC {case.name} Bound"]
    if case.populates:
        told += ["CreatedPVCPrimeSuccessfully", f"Successfully imported into {case.name}"]
    assert [text for text in told if text not in seen.events] == []


@each
def test_claim(case: Case, seen: Seen) -> None:
    volume, claim = seen.volumes[case.name], seen.claims[case.name]
    uid = volume["metadata"]["uid"]
    owner = {key: claim["metadata"]["ownerReferences"][0].get(key) for key in ("kind", "name", "uid", "controller")}
    assert owner == {"kind": "DataVolume", "name": case.name, "uid": uid, "controller": True}
    assert claim["status"]["phase"] == "Bound"
    spec = claim["spec"]
    assert (spec["storageClassName"], spec["volumeMode"]) == (case.storage_class, case.mode)
    assert spec["accessModes"] == (["ReadWriteOnce"] if case.literal else ["ReadWriteMany"])
    assert size_bytes(spec["resources"]["requests"]["storage"]) == case.claim_bytes
    source = spec.get("dataSourceRef")
    assert (source and (source["kind"], source["name"])) == (
        ("VolumeImportSource", import_source_name(uid)) if case.populates else None
    )


@each
def test_marks_on_the_claim(case: Case, seen: Seen, server: WebServer) -> None:
    volume, claim = seen.volumes[case.name], seen.claims[case.name]
    annotations, labels = claim["metadata"]["annotations"], claim["metadata"]["labels"]
    wanted = {
        f"{STORAGE}.pod.phase": "Succeeded",
        f"{STORAGE}.pod.restarts": "0",
        f"{STORAGE}.contentType": "kubevirt",
        f"{STORAGE}.preallocation.requested": "false",
        f"{STORAGE}.condition.running": "false",
        f"{STORAGE}.condition.running.reason": "Completed",
        "cdi.kubevirt.io/createdForDataVolume": volume["metadata"]["uid"],
    }
    if case.populates:
        prime = prime_name(claim["metadata"]["uid"])
        wanted[f"{STORAGE}.usePopulator"] = "true"
        wanted[f"{STORAGE}.populator.progress"] = "100.0%"
        wanted[f"{STORAGE}.populator.pvcPrime"] = prime
    else:
        wanted[f"{STORAGE}.import.source"] = "http" if case.image else "none"
        wanted[f"{STORAGE}.import.importPodName"] = importer_pod_name(case.name)
        if case.image:
            wanted[f"{STORAGE}.import.endpoint"] = server.url(case.image)
    assert {key: annotations.get(key) for key in wanted} == wanted
    assert volume["metadata"]["annotations"][f"{STORAGE}.usePopulator"] == ("true" if case.populates else "false")
    assert labels["app"] == "containerized-data-importer"
    alert = labels.get("alerts.k8s.io/KubePersistentVolumeFillingUp")
    assert alert == ("disabled" if case.mode == "Filesystem" else None)


@each
def test_content(case: Case, seen: Seen, images: Mapping[str, Image]) -> None:
    disk = seen.disks[case.name]
    if case.image:
        assert disk.sha256 == images[case.image].sha256
    assert disk.nonzero_after_image == 0


@pytest.mark.parametrize("case", [c for c in CASES if c.mode == "Filesystem"], ids=lambda case: case.name)
def test_disk_file(case: Case, seen: Seen, images: Mapping[str, Image]) -> None:
    """Spec 1.10 of literal-texts and 5.5: owner, mode, sparse, as large as the volume allows."""
    disk = seen.disks[case.name]
    assert set(disk.entries) - {"lost+found"} == {"disk.img"}
    assert (disk.mode, disk.gid) == ("-rw-rw----", 107)
    data_bytes = images[case.image].data_bytes if case.image else 0
    assert data_bytes <= disk.allocated_bytes <= data_bytes + MIB
    room = usable_bytes(min(case.claim_bytes, disk.free_bytes + disk.allocated_bytes), OVERHEAD)
    # What the file's own extents take of the filesystem may move the room over the edge of a mebibyte.
    assert disk.size_bytes % MIB == 0
    assert abs(disk.size_bytes - room) <= MIB


@pytest.mark.parametrize("case", [c for c in CASES if c.mode == "Block"], ids=lambda case: case.name)
def test_device(case: Case, seen: Seen) -> None:
    assert seen.disks[case.name].size_bytes == GIVEN_MIB * MIB


@each
def test_nothing_is_left(case: Case, seen: Seen) -> None:
    """Spec 4.2 step 6: the hidden claim, its pod and its source are gone as soon as the volume is handed over."""
    prime = prime_name(seen.claims[case.name]["metadata"]["uid"])
    source = import_source_name(seen.volumes[case.name]["metadata"]["uid"])
    helpers = {
        f"PersistentVolumeClaim/{prime}",
        f"Pod/{importer_pod_name(prime)}",
        f"Pod/{importer_pod_name(case.name)}",
        f"VolumeImportSource/{source}",
    }
    assert helpers & seen.names == set()


def test_table_that_users_read(seen: Seen, shared_namespace: Kubectl) -> None:
    header, *rows = shared_namespace("get", "dv").splitlines()
    assert header.split() == ["NAME", "PHASE", "PROGRESS", "RESTARTS", "AGE"]
    assert {tuple(row.split()[1:3]) for row in rows} == {("Succeeded", "100.0%")}


def size_bytes(quantity: str) -> int:
    number, unit = (quantity[:-2], MIB) if quantity.endswith("Mi") else (quantity, 1)
    return int(number) * unit
