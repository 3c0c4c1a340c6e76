"""What is there already is not imported again: adopted claims, restored ones, volumes made beforehand (spec 2.2, 2.6).

The disk is imported once; then its DataVolume goes and another one of that name comes, whose source does not exist: it
succeeds only if it takes what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests
from tests.e2e.installation import Installation
from tests.e2e.namespaces import wait_for_none
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase

CDI = "cdi.kubevirt.io"
NAME = "disk"
IMAGE = "small.qcow2"


@dataclass(frozen=True)
class Stage:
    kubectl: Kubectl
    installation: Installation
    server: WebServer
    images: Mapping[str, Image]

    def import_disk(self, storage_class: str, mode: str) -> str:
        """Name of the volume that it is on."""
        self.kubectl.apply(self.manifest(storage_class, mode, IMAGE, {}))
        self.kubectl.wait(f"dv/{NAME}", "jsonpath={.status.phase}=Succeeded")
        return self.volume()

    def come_again(self, storage_class: str, mode: str, **notes: str) -> None:
        annotations = {f"{CDI}/{key}": value for key, value in notes.items()}
        self.kubectl.apply(self.manifest(storage_class, mode, "nowhere", annotations))
        self.kubectl.wait(f"dv/{NAME}", "jsonpath={.status.phase}=Succeeded")

    def manifest(self, storage_class: str, mode: str, path: str, annotations: Mapping[str, str]) -> Object:
        asked = manifests.claim_spec("40Mi", storage_class=storage_class, mode=mode, access_mode="ReadWriteOnce")
        source = manifests.http(self.server.url(path))
        return manifests.data_volume(NAME, source=source, annotations=annotations, pvc=asked)

    def volume(self) -> str:
        return str(self.kubectl.get("pvc", NAME)["spec"]["volumeName"])

    def assert_same_disk(self, volume: str, mode: str) -> None:
        """Nothing was imported: no worker, no progress, the same bytes on the same volume, owned by the DataVolume."""
        data_volume, claim = self.kubectl.get("dv", NAME), self.kubectl.get("pvc", NAME)
        assert (data_volume["status"]["progress"], data_volume["status"]["claimName"]) == ("N/A", NAME)
        told = {each["type"]: each["status"] for each in data_volume["status"]["conditions"]}
        assert (told["Bound"], told["Ready"]) == ("True", "True")
        assert [owner["uid"] for owner in claim["metadata"]["ownerReferences"]] == [data_volume["metadata"]["uid"]]
        assert claim["spec"]["volumeName"] == volume
        assert self.kubectl.items("pods,volumeimportsources") == []
        found = disks.read(
            self.kubectl,
            self.installation.python_image,
            [disks.Expected(NAME, mode, self.images[IMAGE].virtual_bytes)],
        )
        assert found[NAME].sha256 == self.images[IMAGE].sha256


@pytest.fixture
def stage(namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]) -> Stage:
    return Stage(namespace, installation, server, images)


def leave_the_claim(stage: Stage) -> None:
    """The DataVolume goes, and its claim is nobody's then. So does the worker, which may take a moment to end."""
    wait_for_none(stage.kubectl, "pods")
    with Watch(stage.kubectl, "pvc") as claims:
        stage.kubectl.delete("dv", NAME, "--cascade=orphan")
        nobodys = "the claim is nobody's"
        claims.until(lambda now: NAME in now and not now[NAME]["metadata"].get("ownerReferences"), nobodys, 30)


@pytest.mark.parametrize(("storage_class", "mode"), [("csi", "Block"), ("local", "Filesystem")])
def test_a_claim_is_adopted(stage: Stage, storage_class: str, mode: str) -> None:
    volume = stage.import_disk(storage_class, mode)
    leave_the_claim(stage)
    stage.come_again(storage_class, mode, allowClaimAdoption="true")
    stage.assert_same_disk(volume, mode)


@pytest.mark.parametrize(("storage_class", "mode"), [("csi", "Filesystem"), ("local", "Block")])
def test_a_restored_claim_belongs_to_its_data_volume(stage: Stage, storage_class: str, mode: str) -> None:
    """A backup that marks its claims needs no gate; and what it brought only it can bring back."""
    volume = stage.import_disk(storage_class, mode)
    leave_the_claim(stage)
    stage.kubectl("annotate", "pvc", NAME, f"{CDI}/storage.populatedFor={NAME}")
    stage.come_again(storage_class, mode)
    stage.assert_same_disk(volume, mode)
    with Watch(stage.kubectl, "datavolumes") as volumes:
        noted = f"{CDI}/storage.prePopulated"
        volumes.until(
            lambda now: NAME in now and now[NAME]["metadata"]["annotations"].get(noted) == NAME, "it is noted"
        )
        stage.kubectl.delete("pvc", NAME)
        volumes.until(lambda now: phase(now, NAME) == "Pending", "the DataVolume waits", 30)
        bound = next(each for each in volumes.now[NAME]["status"]["conditions"] if each["type"] == "Bound")
    assert (bound["status"], bound["reason"], bound["message"]) == ("False", "NotFound", "No PVC found")
    assert stage.kubectl.items("pvc") == []


@pytest.mark.parametrize(("storage_class", "mode"), [("csi-noclone", "Filesystem"), ("local", "Block")])
def test_a_volume_made_beforehand(stage: Stage, storage_class: str, mode: str) -> None:
    """A PersistentVolume that names the claim it is for, as after a disaster."""
    volume = stage.import_disk(storage_class, mode)
    cluster = stage.installation.kubectl
    cluster("patch", "pv", volume, "--patch", '{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}')
    stage.kubectl.delete("dv", NAME)
    wait_for_none(stage.kubectl, "pvc")
    cluster.wait(f"pv/{volume}", "jsonpath={.status.phase}=Released")
    anew = '{"spec": {"claimRef": {"uid": null, "resourceVersion": null}}}'
    cluster("patch", "pv", volume, "--patch", anew)
    cluster.wait(f"pv/{volume}", "jsonpath={.status.phase}=Available")
    try:
        stage.come_again(storage_class, mode, **{"storage.checkStaticVolume": ""})
        stage.assert_same_disk(volume, mode)
        annotations = stage.kubectl.get("pvc", NAME)["metadata"]["annotations"]
        assert annotations[f"{CDI}/storage.populatedFor"] == NAME
        assert f"{CDI}/storage.persistentVolumeList" not in annotations
    finally:
        cluster("patch", "pv", volume, "--patch", '{"spec": {"persistentVolumeReclaimPolicy": "Delete"}}')
