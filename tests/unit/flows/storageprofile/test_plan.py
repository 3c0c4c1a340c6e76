"""StorageProfiles: from classes, snapshot classes, volumes and what the user says to what the profile shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, PatchMeta, PatchStatus
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.storageprofile import observe, plan
from cdi_operator.storage.capability_table import TABLE
from tests.unit.storage.golden import VECTORS
from tests.unit.world import NOW, World, settle

SETTINGS = Settings(namespace="cdi", importer_image="importer", part_of="testing", version="v1")
ROOK = "rook-ceph.rbd.csi.ceph.com"
GKE = "pd.csi.storage.gke.io"
BY_HAND = "kubernetes.io/no-provisioner"


def storage_class(provisioner, parameters=None, **annotations):
    meta = {"name": "fast", "annotations": {key.replace("__", "/"): value for key, value in annotations.items()}}
    return {"kind": "StorageClass", "metadata": meta, "provisioner": provisioner, "parameters": parameters or {}}


def snapshot_class(name, driver, default=False, **parameters):
    annotations = {names.DEFAULT_SNAPSHOT_CLASS: "true"} if default else {}
    meta = {"name": name, "annotations": annotations}
    parameters = {key.replace("_", "-"): value for key, value in parameters.items()}
    return {"kind": "VolumeSnapshotClass", "metadata": meta, "driver": driver, "parameters": parameters}


def volume(name, *access_modes, volume_mode="Filesystem", of="fast"):
    spec = {"accessModes": list(access_modes), "volumeMode": volume_mode, "storageClassName": of}
    return {"kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def cdi(name="cdi", created="2025-01-01T00:00:00Z"):
    meta = {"name": name, "uid": f"uid-{name}", "creationTimestamp": created}
    return {"kind": "CDI", "metadata": meta, "spec": {}}


def profile(spec=None, **more):
    meta = {"name": "fast", **more.pop("metadata", {})}
    return {"kind": "StorageProfile", "metadata": meta, "spec": spec or {}, **more}


def step(world, now=NOW):
    state = observe(world, ("", "fast"))
    return plan(state, SETTINGS, now) if state else ()


def settled(*objects):
    world = World(*objects)
    settle(world, lambda world: step(world))
    return world


def shown(world):
    return world.get("StorageProfile", "fast")


def sets(*pairs):
    return [{"accessModes": [access], "volumeMode": volume_mode} for access, volume_mode in pairs]


def test_it_is_made_with_our_labels_and_goes_with_its_class():
    world = settled(storage_class(ROOK))
    assert shown(world)["spec"] == {}
    assert shown(world)["metadata"]["labels"] == {
        "app": "containerized-data-importer",
        "cdi.kubevirt.io": "",
        "app.kubernetes.io/managed-by": "cdi-controller",
        "app.kubernetes.io/component": "storage",
        "app.kubernetes.io/part-of": "testing",
        "app.kubernetes.io/version": "v1",
    }
    world.delete("StorageClass", "fast")
    settle(world, step)
    assert shown(world) is None


def test_nothing_to_say_about_a_name_that_nobody_has():
    assert observe(World(), ("", "fast")) is None


@pytest.mark.parametrize(
    "case", VECTORS["storageClassCases"], ids=lambda case: f"{case['Provisioner']} {case['Params']}"
)
def test_what_the_table_says(case):
    world = settled(storage_class(case["Provisioner"], case["Params"]), snapshot_class("snap", case["Provisioner"]))
    status = shown(world)["status"]
    assert status["storageClass"] == "fast"
    assert status["provisioner"] == case["Provisioner"]
    assert status["conditions"][0]["reason"] == case["Reason"]
    assert status.get("claimPropertySets", []) == sets(*case["Caps"])
    assert status["cloneStrategy"] == (case["Strategy"] or "snapshot")
    assert status["dataImportCronSourceFormat"] == (case["Format"] or "pvc")
    assert shown(world)["metadata"].get("annotations", {}).get(names.MINIMUM_PVC_SIZE, "") == case["MinSize"]


@pytest.mark.parametrize(
    ("reason", "status", "message", "provisioner"),
    [
        ("RecognizedProvisioner", "True", "Provisioner is recognized", ROOK),
        ("RecognizedProvisioner", "True", "Provisioner is recognized", BY_HAND),
        ("UnrecognizedProvisioner", "False", "Provisioner is not recognized", "example.com/nobody"),
        (
            "UnrecognizedStorageClassParameters",
            "False",
            "Storage class parameters are not recognized",
            "csi.trident.netapp.io",
        ),
    ],
)
def test_recognized(reason, status, message, provisioner):
    condition = shown(settled(storage_class(provisioner)))["status"]["conditions"]
    assert condition == [
        {
            "type": "Recognized",
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": "2025-06-01T12:00:00Z",
            "lastTransitionTime": "2025-06-01T12:00:00Z",
        }
    ]


UNKNOWN = "example.com/nobody"


@pytest.mark.parametrize(
    # wanted: clone strategy, snapshot class, cron format
    ("annotation", "provisioner", "with_snapshots", "spec", "wanted"),
    [
        (None, UNKNOWN, False, {}, ("copy", None, "pvc")),
        (None, UNKNOWN, True, {}, ("snapshot", "snap", "pvc")),
        (None, ROOK, False, {}, ("csi-clone", None, "pvc")),
        (None, ROOK, True, {}, ("csi-clone", "snap", "snapshot")),
        (None, GKE, False, {}, ("copy", None, "pvc")),
        (None, GKE, True, {}, ("snapshot", "snap", "snapshot")),
        ("copy", ROOK, True, {}, ("copy", "snap", "snapshot")),
        ("snapshot", ROOK, False, {}, ("snapshot", None, "pvc")),
        ("nonsense", ROOK, True, {}, ("csi-clone", "snap", "snapshot")),
        ("copy", ROOK, True, {"cloneStrategy": "snapshot"}, ("snapshot", "snap", "snapshot")),
        (None, ROOK, True, {"dataImportCronSourceFormat": "pvc"}, ("csi-clone", "snap", "pvc")),
        (None, UNKNOWN, True, {"snapshotClass": "mine"}, ("snapshot", "mine", "pvc")),
        (None, UNKNOWN, True, {"dataImportCronSourceFormat": "snapshot"}, ("snapshot", "snap", "snapshot")),
    ],
)
def test_cloning(annotation, provisioner, with_snapshots, spec, wanted):
    marked = {names.CLONE_STRATEGY.replace("/", "__"): annotation} if annotation else {}
    snapshots = [snapshot_class("snap", provisioner), snapshot_class("a-stranger-s", "other")]
    world = settled(storage_class(provisioner, **marked), profile(spec), *(snapshots if with_snapshots else ()))
    status = shown(world)["status"]
    assert (status["cloneStrategy"], status.get("snapshotClass"), status["dataImportCronSourceFormat"]) == wanted


def test_the_default_snapshot_class_goes_before_the_first_by_name():
    classes = [snapshot_class("a", ROOK), snapshot_class("b", ROOK, default=True), snapshot_class("c", ROOK)]
    assert shown(settled(storage_class(ROOK), *classes))["status"]["snapshotClass"] == "b"
    assert shown(settled(storage_class(ROOK), classes[2], classes[0]))["status"]["snapshotClass"] == "a"


MINE = [{"accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "volumeMode": "Filesystem"}]


def test_the_user_s_modes_replace_the_table_s():
    world = settled(storage_class(ROOK), profile({"claimPropertySets": MINE}))
    assert shown(world)["status"]["claimPropertySets"] == MINE
    world.edit("StorageProfile", "fast", {"spec": {"claimPropertySets": None}})
    settle(world, step)
    assert len(shown(world)["status"]["claimPropertySets"]) == 3


def test_modes_without_access_are_refused_once_and_healed():
    broken = {"claimPropertySets": [{"accessModes": [], "volumeMode": "Block"}]}
    world = settled(storage_class(GKE), profile(broken))
    text = "spec.claimPropertySets[0] has volumeMode Block but no accessModes: the list is ignored"
    assert [(event.type, event.message) for event in world.emitted] == [("Warning", text)]
    assert shown(world)["status"]["conditions"][1]["message"] == text
    assert shown(world)["status"]["claimPropertySets"] == sets(*VECTORS["capabilities"][GKE])
    world.edit("StorageProfile", "fast", {"spec": {"claimPropertySets": MINE}})
    settle(world, step)
    assert [each["type"] for each in shown(world)["status"]["conditions"]] == ["Recognized"]
    assert len(world.emitted) == 1


def test_volumes_made_by_hand_tell_their_modes_in_order():
    world = settled(
        storage_class(BY_HAND),
        volume("a", "ReadOnlyMany", "ReadWriteOnce"),
        volume("b", "ReadWriteOnce"),
        volume("c", "ReadWriteOnce", "ReadWriteMany", volume_mode="Block"),
        volume("d", "ReadWriteOncePod", of="slow"),
    )
    assert shown(world)["status"]["claimPropertySets"] == sets(
        ("ReadWriteMany", "Block"),
        ("ReadWriteOnce", "Block"),
        ("ReadWriteOnce", "Filesystem"),
        ("ReadOnlyMany", "Filesystem"),
    )
    for name in "abc":
        world.delete("PersistentVolume", name)
    settle(world, step)
    assert "claimPropertySets" not in shown(world)["status"]


def test_annotations_for_crons_follow_the_snapshot_classes():
    images = snapshot_class("images", GKE, snapshot_type="images")
    world = settled(storage_class(GKE), snapshot_class("a", GKE), images)
    annotations = shown(world)["metadata"]["annotations"]
    assert annotations == {names.CRON_READ_WRITE_ONCE: "true", names.CRON_SNAPSHOT_CLASS: "images"}
    world.delete("VolumeSnapshotClass", "images")
    settle(world, step)
    assert shown(world)["metadata"]["annotations"] == {names.CRON_READ_WRITE_ONCE: "true"}


def test_a_minimum_size_given_by_hand_stays():
    by_hand = {names.MINIMUM_PVC_SIZE: "7Gi"}
    world = settled(storage_class(UNKNOWN), profile(metadata={"annotations": by_hand}))
    assert shown(world)["metadata"]["annotations"] == by_hand


def test_it_belongs_to_the_oldest_installation():
    world = settled(storage_class(ROOK), cdi("second", "2025-02-01T00:00:00Z"), cdi("first"))
    (owner,) = shown(world)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CDI", "first", True)


def test_an_installation_that_comes_later_takes_it_over():
    world = settled(storage_class(ROOK))
    assert "ownerReferences" not in shown(world)["metadata"]
    world.add(cdi())
    (patch,) = step(world)
    assert isinstance(patch, PatchMeta)
    assert patch.resource_version, "owners are given whole: only for the version that was seen"
    settle(world, step)
    assert shown(world)["metadata"]["ownerReferences"][0]["uid"] == "uid-cdi"


def test_a_profile_of_the_reference_is_taken_as_it_is():
    """An upgrade from the reference leaves profiles with labels and a status of its own."""
    old = {"storageClass": "fast", "provisioner": "old", "cloneStrategy": "copy", "claimPropertySets": MINE}
    world = settled(storage_class(ROOK), profile(status=old, metadata={"labels": {"theirs": "1"}}))
    assert shown(world)["metadata"]["labels"]["theirs"] == "1"
    assert shown(world)["status"]["provisioner"] == ROOK


def test_the_times_of_a_condition():
    world = settled(storage_class(ROOK))
    world.edit("StorageClass", "fast", {"provisioner": UNKNOWN})
    later = NOW.replace(hour=13)
    settle(world, lambda world: step(world, later))
    (condition,) = shown(world)["status"]["conditions"]
    assert condition["status"] == "False"
    assert condition["lastTransitionTime"] == "2025-06-01T13:00:00Z"


def test_a_profile_that_is_being_deleted_is_left_alone():
    assert step(World(storage_class(ROOK), profile(metadata={"deletionTimestamp": "x", "finalizers": ["f"]}))) == ()
    assert step(World(profile(metadata={"deletionTimestamp": "x", "finalizers": ["f"]}))) == ()


provisioners = st.sampled_from([*(key.split("/")[0] for key in TABLE), BY_HAND, UNKNOWN, "xspc.csi.hpe.com"])
specs = st.fixed_dictionaries(
    {},
    optional={
        "cloneStrategy": st.sampled_from(["copy", "snapshot", "csi-clone"]),
        "snapshotClass": st.just("mine"),
        "dataImportCronSourceFormat": st.sampled_from(["pvc", "snapshot"]),
        "claimPropertySets": st.sampled_from([[], MINE, [{"accessModes": [], "volumeMode": "Block"}]]),
    },
)


@given(
    provisioner=provisioners,
    parameters=st.dictionaries(
        st.sampled_from(["type", "protocol", "migratable"]), st.sampled_from(["nfs", "io2", "true"])
    ),
    spec=st.none() | specs,
    annotations=st.dictionaries(st.sampled_from([names.MINIMUM_PVC_SIZE, names.CRON_SNAPSHOT_CLASS]), st.just("1Gi")),
    snapshots=st.lists(st.booleans(), max_size=3),
    installed=st.booleans(),
    volumes=st.lists(st.sampled_from(["ReadWriteOnce", "ReadOnlyMany"]), max_size=2),
)
def test_planning_on_the_result_asks_for_nothing(
    provisioner, parameters, spec, annotations, snapshots, installed, volumes
):
    world = World(storage_class(provisioner, parameters))
    if spec is not None:
        world.add(profile(spec, metadata={"annotations": annotations}))
    for number, default in enumerate(snapshots):
        world.add(snapshot_class(f"s{number}", provisioner, default))
    for number, mode in enumerate(volumes):
        world.add(volume(f"v{number}", mode))
    if installed:
        world.add(cdi())
    plans = settle(world, step)
    assert len(plans) <= 2, "made, then told: no third round"
    before = world.snapshot()
    assert step(world, NOW.replace(hour=20)) == ()
    assert world.snapshot() == before


def test_the_kinds_of_action():
    world = World(storage_class(ROOK))
    plans = settle(world, step)
    assert [[type(action) for action in each] for each in plans] == [[Create], [PatchStatus]]
