"""What the alerts are made on: StorageProfiles as labels, and DataVolumes that wait for a default class (spec 9)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.figures import profile_infos, waiting_for_default_class
from tests.unit.world import World

DRIVER = "csi.example.com"
DEFAULT, VIRT = {names.DEFAULT_CLASS: "true"}, {names.DEFAULT_VIRT_CLASS: "true"}
NOTHING = "complete default virtdefault rwx smartclone degraded"


def storage_class(name="fast", provisioner=DRIVER, **marks):
    return {"kind": "StorageClass", "metadata": {"name": name, "annotations": marks}, "provisioner": provisioner}


def profile(*access_modes, strategy="copy", name="fast"):
    sets = [{"accessModes": list(access_modes), "volumeMode": "Block"}] if access_modes else []
    return {
        "kind": "StorageProfile",
        "metadata": {"name": name},
        "status": {"claimPropertySets": sets, "cloneStrategy": strategy},
    }


def driver(name=DRIVER):
    return {"kind": "CSIDriver", "metadata": {"name": name}}


def snapshots(of=DRIVER):
    return {"kind": "VolumeSnapshotClass", "metadata": {"name": "snap"}, "driver": of}


def infrastructure(control_plane, workers):
    topology = {"controlPlaneTopology": control_plane, "infrastructureTopology": workers}
    return {"kind": "Infrastructure", "metadata": {"name": "cluster"}, "status": topology}


RWX, RWO = "ReadWriteMany", "ReadWriteOnce"


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        # what there is                                                       what is true of it
        ([storage_class(), profile()], "degraded"),
        ([storage_class(), profile(RWO)], "complete degraded"),
        ([storage_class(), profile(RWX)], "complete rwx degraded"),
        ([storage_class(provisioner="kubernetes.io/no-provisioner"), profile()], "complete degraded"),
        ([storage_class(provisioner="stork-snapshot"), profile()], "complete degraded"),
        ([storage_class(**DEFAULT), profile()], "default degraded"),
        ([storage_class(**VIRT), profile()], "virtdefault degraded"),
        ([storage_class(**{names.DEFAULT_CLASS: "false"}), profile()], "degraded"),
        ([storage_class(), profile(RWX, strategy="csi-clone"), driver()], "complete rwx smartclone"),
        ([storage_class(), profile(RWX, strategy="csi-clone")], "complete rwx degraded"),
        ([storage_class(), profile(RWX, strategy="csi-clone"), driver("other")], "complete rwx degraded"),
        ([storage_class(), profile(RWX, strategy="csi-clone"), snapshots()], "complete rwx degraded"),
        ([storage_class(), profile(RWX, strategy="snapshot"), snapshots()], "complete rwx smartclone"),
        ([storage_class(), profile(RWX, strategy="snapshot"), snapshots("other")], "complete rwx degraded"),
        ([storage_class(), profile(RWX), driver(), snapshots()], "complete rwx degraded"),
        ([storage_class(), profile(RWO, strategy="snapshot"), snapshots()], "complete smartclone degraded"),
        (
            [
                *(storage_class(), profile(RWO, strategy="snapshot"), snapshots()),
                infrastructure("SingleReplica", "SingleReplica"),
            ],
            "complete smartclone",
        ),
        (
            [
                *(storage_class(), profile(RWO, strategy="snapshot"), snapshots()),
                infrastructure("HighlyAvailable", "SingleReplica"),
            ],
            "complete smartclone degraded",
        ),
    ],
)
def test_profile(objects, wanted):
    (info,) = profile_infos(World(*objects))
    assert (info.storageclass, info.provisioner) == ("fast", objects[0]["provisioner"])
    assert [word for word in NOTHING.split() if getattr(info, word)] == wanted.split()


def test_a_profile_without_class_or_not_told_yet():
    assert list(profile_infos(World(profile(RWX)))) == []
    untold = {"kind": "StorageProfile", "metadata": {"name": "fast"}}
    (info,) = profile_infos(World(storage_class(), untold))
    assert not info.complete


def volume(phase="", content="kubevirt", **spec):
    status = {"status": {"phase": phase}} if phase else {}
    meta = {"name": f"v-{phase}", "namespace": "ns"}
    return {"kind": "DataVolume", "metadata": meta, "spec": {"contentType": content, **spec}, **status}


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([volume(storage={})], 1),
        ([volume(pvc={})], 1),
        ([volume("Pending", pvc={})], 1),
        ([volume(storage={}), volume("Pending", storage={})], 2),
        ([volume("Succeeded", storage={})], 0),
        ([volume("PendingPopulation", pvc={})], 0),
        ([volume(storage={"storageClassName": "gone"})], 0),
        ([volume(storage={"storageClassName": ""})], 0),
        ([volume(storage={}), storage_class()], 1),
        ([volume(storage={}), storage_class(**DEFAULT)], 0),
        ([volume(storage={}), storage_class(**VIRT)], 0),
        ([volume(storage={}, content="archive"), storage_class(**VIRT)], 1),
    ],
)
def test_waiting_for_a_default_class(objects, wanted):
    assert waiting_for_default_class(World(*objects)) == wanted
