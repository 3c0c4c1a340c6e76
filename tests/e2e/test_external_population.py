"""A DataVolume without a source of its own: somebody else fills its claim (spec 1.1, 2.3).

The test plays anybody's populator: it fills a claim of its own and hands the volume over, as Kubernetes has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests
from tests.e2e.installation import Installation
from tests.e2e.namespaces import tells
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase, phases

ANYBODY = {"apiGroup": "backup.example.com", "kind": "Backup", "name": "monday"}
SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "monday"}
CONTENT = bytes(range(256)) * 4096
WRITE = """
import os
path = "/volumes/helper"
path = os.path.join(path, "disk.img") if os.path.isdir(path) else path
with open(path, "r+b" if os.path.exists(path) else "xb", buffering=0) as disk:
    disk.write(bytes(range(256)) * 4096)
    os.fsync(disk.fileno())
"""


def external(name: str, asked: Object, reference: Object, field: str = "pvc") -> Object:
    """`field`: pvc or storage."""
    spec = {field: {**asked, "dataSourceRef": reference}}
    return {"apiVersion": manifests.CDI, "kind": "DataVolume", "metadata": {"name": name}, "spec": spec}


def claim_spec(storage_class: str, mode: str) -> Object:
    return manifests.claim_spec("40Mi", storage_class=storage_class, mode=mode, access_mode="ReadWriteOnce")


def populate(kubectl: Kubectl, image: str, target: str) -> None:
    claim = kubectl.get("pvc", target)
    spec = {key: value for key, value in claim["spec"].items() if not key.startswith("dataSource")}
    kubectl.create(manifests.claim("helper", spec))
    kubectl.create(manifests.pod("writer", image, WRITE, claims={"helper": spec["volumeMode"]}))
    kubectl.wait("pod/writer", "jsonpath={.status.phase}=Succeeded")
    kubectl.delete("pod", "writer")
    volume = kubectl.get("pvc", "helper")["spec"]["volumeName"]
    meta = claim["metadata"]
    owner = {"name": meta["name"], "uid": meta["uid"], "resourceVersion": None}
    kubectl("patch", "pv", volume, "--patch", json.dumps({"spec": {"claimRef": owner}}))
    kubectl.wait("pvc/helper", "jsonpath={.status.phase}=Lost")
    kubectl.delete("pvc", "helper")


@pytest.mark.parametrize(
    ("storage_class", "mode", "waits"),
    [("csi", "Filesystem", False), ("csi-noclone", "Block", False), ("csi-wffc", "Block", True)],
)
def test_anybodys_populator(
    storage_class: str, mode: str, waits: bool, namespace: Kubectl, installation: Installation
) -> None:
    image, name = installation.python_image, "external"
    wanted = disks.Expected(name, mode, len(CONTENT))
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(external(name, claim_spec(storage_class, mode), ANYBODY))
        waiting = "PendingPopulation" if waits else "Pending"
        volumes.until(lambda now: phase(now, name) == waiting, "the DataVolume waits", 30)
        if waits:
            disks.start_reader(namespace, image, [wanted], pod="consumer")
        populate(namespace, image, name)
        volumes.until(lambda now: phase(now, name) == "Succeeded", "the claim is filled", 30)
        went = phases(volumes.history(name))
    assert [at for at in went if at != "Pending"] == (["PendingPopulation"] if waits else []) + ["Succeeded"]
    assert namespace.get("dv", name)["status"]["progress"] == "N/A"
    assert namespace.get("pvc", name)["metadata"]["annotations"]["cdi.kubevirt.io/externalPopulation"] == "true"
    assert tells(namespace, f"PVC {name} successfully populated by Backup")
    if not waits:
        disks.start_reader(namespace, image, [wanted], pod="consumer")
    found = disks.finish_reader(namespace, pod="consumer")[name]
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_the_storage_itself(
    namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """From a snapshot: the claim is as large as asked for, and the driver fills it."""
    source = manifests.http(server.url("small.qcow2"))
    namespace.apply(manifests.data_volume("origin", source=source, pvc=claim_spec("csi", "Filesystem")))
    namespace.wait("dv/origin", "jsonpath={.status.phase}=Succeeded")
    snapshot = {"kind": "VolumeSnapshot", "apiVersion": "snapshot.storage.k8s.io/v1", "metadata": {"name": "monday"}}
    namespace.create({**snapshot, "spec": {"source": {"persistentVolumeClaimName": "origin"}}})
    namespace.wait("volumesnapshot/monday", "jsonpath={.status.readyToUse}=true")
    namespace.apply(external("restored", claim_spec("csi", "Filesystem"), SNAPSHOT, "storage"))
    namespace.wait("dv/restored", "jsonpath={.status.phase}=Succeeded")
    assert namespace.get("pvc", "restored")["spec"]["resources"]["requests"]["storage"] == "40Mi"
    assert tells(namespace, "PVC restored successfully populated by VolumeSnapshot")
    wanted = disks.Expected("restored", "Filesystem", images["small.qcow2"].virtual_bytes)
    found = disks.read(namespace, installation.python_image, [wanted])["restored"]
    assert found.sha256 == images["small.qcow2"].sha256


def test_storage_without_a_driver_cannot(namespace: Kubectl) -> None:
    with Watch(namespace, "events") as events:
        namespace.apply(external("stuck", claim_spec("local", "Filesystem"), ANYBODY))
        reason = "NoCSIDriverForExternalPopulation"
        events.until(lambda now: any(each["reason"] == reason for each in now.values()), "it is told", 30)
    assert tells(namespace, "No CSI drivers were found: External population not supported")
    assert namespace.get("dv", "stuck")["status"]["phase"] == "Pending"
