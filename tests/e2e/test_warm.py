"""Disks of machines in VMware and oVirt: as they are, and in stages while the machine runs on (spec 2.7)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests
from tests.e2e.disks import Expected
from tests.e2e.installation import Installation
from tests.e2e.namespaces import tells, wait_for_none
from tests.e2e.ovirt import login, source_of
from tests.e2e.vmware import DISK_BYTES, VMware
from tests.e2e.watch import Watch, phase, phases
from tests.images import MIB, qemu_img, qemu_io
from tests.transfer.engine import Disk
from tests.transfer.ovirt import Ovirt

STORAGE = "cdi.kubevirt.io/storage"
AWAITING = "waiting for v2v-vmware configmap or cdi.kubevirt.io/storage.pod.vddk.initimageurl annotation for VDDK image"
COLD = pytest.mark.parametrize(("storage_class", "mode"), [("csi", "Block"), ("local", "Filesystem")])
WARM = pytest.mark.parametrize(("storage_class", "mode"), [("csi", "Filesystem"), ("local", "Block")])
"""Storage class and volume mode: both flows, and every pair of them for each source."""
STAGES_OF_OVIRT = ("first", "second")
OVIRT_BYTES = 12 * MIB


@COLD
def test_a_disk_of_vmware(
    storage_class: str, mode: str, installation: Installation, namespace: Kubectl, vcenter: VMware
) -> None:
    namespace.create(vcenter.secret(), volume(vcenter.source(initImageURL=vcenter.image), storage_class, mode))
    with Watch(namespace, "datavolumes") as watch:
        watch.until(lambda now: phase(now, "disk") == "Succeeded", "it is imported", 90)
    assert content(installation, namespace, mode, DISK_BYTES) == vcenter.sha256()
    for kind in ("datavolume", "pvc"):
        notes = namespace.get(kind, "disk")["metadata"]["annotations"]
        told = [notes.get(f"{STORAGE}.pod.vddk.{name}") for name in ("version", "host")]
        assert told == ["8.0.2", "esx7.example"], kind


@WARM
def test_a_running_machine_of_vmware(
    storage_class: str, mode: str, installation: Installation, namespace: Kubectl, vcenter: VMware
) -> None:
    first, second = vcenter.vcenter.snapshots
    stages = [stage("", first), stage(first, second)]
    source = vcenter.source(initImageURL=vcenter.image)
    namespace.create(vcenter.secret())
    migrate(namespace, source, storage_class, mode, stages)
    assert content(installation, namespace, mode, DISK_BYTES) == vcenter.sha256(second)


@pytest.mark.alone
@pytest.mark.parametrize("storage_class", ["csi", "local"])
def test_killed_stages(storage_class: str, installation: Installation, namespace: Kubectl, vcenter: VMware) -> None:
    first, second = vcenter.vcenter.snapshots
    source = vcenter.source(initImageURL=vcenter.image)
    stages = [stage("", first), stage(first, second)]
    namespace.create(vcenter.secret(), volume(source, storage_class, "Filesystem", checkpoints=stages[:1]))
    with Watch(namespace, "datavolumes") as watch, Watch(namespace, "pods") as pods:
        kill_stage(installation, namespace, pods, first)
        watch.until(lambda now: phase(now, "disk") == "Paused", "the first checkpoint is copied", 120)
        namespace("patch", "datavolume", "disk", "--type=merge", f"--patch={json.dumps(listing(stages))}")
        kill_stage(installation, namespace, pods, second)
        watch.until(lambda now: phase(now, "disk") == "Succeeded", "the second checkpoint is copied", 120)
    assert content(installation, namespace, "Filesystem", DISK_BYTES) == vcenter.sha256(second)


def test_stages_without_a_data_volume(installation: Installation, namespace: Kubectl, vcenter: VMware) -> None:
    """A VolumeImportSource made by hand that lists them all, and the claim that it is meant for."""
    first, second = vcenter.vcenter.snapshots
    stages = listing([stage("", first), stage(first, second)])["spec"]
    spec = {"source": vcenter.source(initImageURL=vcenter.image), "targetClaim": "disk", **stages}
    source = {"apiVersion": manifests.CDI, "kind": "VolumeImportSource", "metadata": {"name": "machine"}, "spec": spec}
    wanted = manifests.claim_spec("40Mi", mode="Block", storage_class="csi", access_mode="ReadWriteOnce")
    wanted["dataSourceRef"] = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "machine"}
    namespace.create(vcenter.secret(), source, manifests.claim("disk", wanted), manifests.claim("other", wanted))
    with Watch(namespace, "pvc") as claims:
        claims.until(lambda now: phase(now, "disk") == "Bound", "the claim is filled", 120)
    assert content(installation, namespace, "Block", DISK_BYTES) == vcenter.sha256(second)
    assert namespace.get("pvc", "other")["status"]["phase"] == "Pending"
    assert tells(namespace, "the VolumeImportSource is meant for the claim disk")


@pytest.mark.parametrize("storage_class", ["csi", "local"])
def test_the_image_with_the_library_comes_late(
    storage_class: str, installation: Installation, namespace: Kubectl, vcenter: VMware
) -> None:
    namespace.create(vcenter.secret(), volume(vcenter.source(), storage_class, "Filesystem"))
    with Watch(namespace, "datavolumes") as watch:
        waits = ("False", "AwaitingVDDK", AWAITING)
        watch.until(lambda now: condition(now, "Running") == waits, "it says what it waits for")
        bound = condition(watch.now, "Bound")
        assert bound == waits if storage_class == "local" else bound[:2] == ("False", "Pending")
        assert phase(watch.now, "disk") == "ImportScheduled"
        assert namespace.items("pods") == []
        try:
            installation.own.create(manifests.config_map("v2v-vmware", **{"vddk-init-image": vcenter.image}))
            watch.until(lambda now: phase(now, "disk") == "Succeeded", "it is imported", 90)
        finally:
            installation.own("delete", "configmap", "v2v-vmware", "--ignore-not-found")
    assert condition({"disk": namespace.get("datavolume", "disk")}, "Bound") == ("True", "Bound", "PVC disk Bound")
    assert content(installation, namespace, "Filesystem", DISK_BYTES) == vcenter.sha256()


def test_settings_for_the_library(installation: Installation, namespace: Kubectl, vcenter: VMware) -> None:
    """In a ConfigMap that comes late, too."""
    source = vcenter.source(initImageURL=vcenter.image, extraArgs="settings")
    near = {"kubernetes.io/os": "linux"}
    namespace.create(vcenter.secret(), volume(source, "csi", "Filesystem"))
    with Watch(namespace, "datavolumes") as watch, Watch(namespace, "pods") as pods:
        lacks = "ConfigMap 'settings' (extraArgs) not found"
        watch.until(lambda now: lacks in condition(now, "Running")[2], "it says what it lacks")
        data = {"vddk-config-file": "good", "vddk-node-selector": json.dumps(near)}
        namespace.create(manifests.config_map("settings", **data))
        watch.until(lambda now: phase(now, "disk") == "Succeeded", "it is imported", 90)
        assert pods.seen[0]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64", **near}
    assert content(installation, namespace, "Filesystem", DISK_BYTES) == vcenter.sha256()


@COLD
def test_a_disk_of_ovirt(
    storage_class: str, mode: str, installation: Installation, namespace: Kubectl, ovirt: Ovirt
) -> None:
    disk = ovirt.disk(f"cold-{storage_class}-{mode}", os.urandom(3 * MIB), OVIRT_BYTES)
    trust = {"insecureSkipVerify": True} if mode == "Block" else {"certConfigMap": "engine"}
    namespace.create(*login(ovirt), volume(source_of(ovirt, disk.name, **trust), storage_class, mode))
    with Watch(namespace, "datavolumes") as watch:
        watch.until(lambda now: phase(now, "disk") == "Succeeded", "it is imported", 90)
    assert content(installation, namespace, mode, OVIRT_BYTES) == sha256(disk)


@WARM
def test_a_running_machine_of_ovirt(
    storage_class: str, mode: str, installation: Installation, namespace: Kubectl, ovirt: Ovirt
) -> None:
    volumes = ovirt.volumes / f"warm-{storage_class}-{mode}".lower()
    volumes.mkdir()
    first, second = (volumes / f"{volumes.name}-{name}" for name in STAGES_OF_OVIRT)
    first.write_bytes(os.urandom(4 * MIB) + bytes(OVIRT_BYTES - 4 * MIB))
    qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", first.name, second)
    qemu_io(second, "write -P 7 64k 4k", "write -P 9 6M 700k", "write -z 1M 1M")
    ovirt.engine.disks[volumes.name] = Disk(volumes, first.name, second.name)
    namespace.create(*login(ovirt))
    stages = [stage("", first.name), stage(first.name, second.name)]
    migrate(namespace, source_of(ovirt, volumes.name, certConfigMap="engine"), storage_class, mode, stages)
    whole = volumes / "whole"
    qemu_img("convert", "-f", "qcow2", "-O", "raw", second, whole)
    assert content(installation, namespace, mode, OVIRT_BYTES) == sha256(whole)


def migrate(namespace: Kubectl, source: Object, storage_class: str, mode: str, stages: list[Object]) -> None:
    """The first checkpoint; a pause; the second one, which is the last."""
    namespace.create(volume(source, storage_class, mode, checkpoints=stages[:1], finalCheckpoint=False))
    with Watch(namespace, "datavolumes") as watch, Watch(namespace, "pods") as pods:
        watch.until(lambda now: phase(now, "disk") == "Paused", "the first checkpoint is copied", 90)
        pods.until(lambda now: not now, "its pod is gone")
        assert tells(namespace, "Multistage import into PVC disk is paused")
        namespace("patch", "datavolume", "disk", "--type=merge", f"--patch={json.dumps(listing(stages))}")
        watch.until(lambda now: phase(now, "disk") == "Succeeded", "the second checkpoint is copied", 90)
        went = phases(watch.history("disk"))
        names = {obj["metadata"]["name"].rpartition("-checkpoint-")[2] for obj in pods.seen}
    assert names == {each["current"] for each in stages}
    assert went.index("Paused") < len(went) - 1 - went[::-1].index("ImportScheduled"), went
    notes = namespace.get("pvc", "disk")["metadata"]["annotations"]
    of_stages = {key: value for key, value in notes.items() if ".checkpoint." in key}
    assert of_stages == {f"{STORAGE}.checkpoint.done": "true"}
    wait_for_none(namespace, "volumeimportsources")


def kill_stage(installation: Installation, namespace: Kubectl, pods: Watch, checkpoint: str) -> None:
    """Its pod, as soon as there is one, and the controller that made it."""
    pods.until(lambda now: any(name.endswith(f"-{checkpoint}") for name in now), "its pod is made")
    now = ("--grace-period=0", "--force")
    for name in [name for name in pods.now if name.endswith(f"-{checkpoint}")]:
        namespace("delete", "pod", name, *now, "--ignore-not-found")
    installation.own("delete", "pod", installation.leader(), *now)


def stage(previous: str, current: str) -> Object:
    return {"previous": previous, "current": current}


def listing(stages: list[Object]) -> Object:
    """The change that lists all stages."""
    return {"spec": {"checkpoints": stages, "finalCheckpoint": True}}


def volume(source: Object, storage_class: str, mode: str, **more: Any) -> Object:
    claim = manifests.claim_spec("40Mi", mode=mode, storage_class=storage_class, access_mode="ReadWriteOnce")
    return manifests.data_volume("disk", source=source, storage=claim, **more)


def condition(now: Mapping[str, Object], kind: str) -> tuple[str, str, str]:
    found = (now.get("disk", {}).get("status") or {}).get("conditions") or ()
    each: Object = next((each for each in found if each["type"] == kind), {})
    return each.get("status", ""), each.get("reason", ""), each.get("message", "")


def content(installation: Installation, namespace: Kubectl, mode: str, size_bytes: int) -> str:
    """sha256 of what is on the claim, as a pod reads it."""
    read = disks.read(namespace, installation.python_image, [Expected("disk", mode, size_bytes)])
    return read["disk"].sha256


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
