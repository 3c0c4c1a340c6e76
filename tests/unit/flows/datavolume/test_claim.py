"""The claim that a DataVolume gets: rendered from the storage's profile, or taken literally (spec 2.2, 4.7)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create
from cdi_operator.flows.datavolume import observe, plan
from cdi_operator.flows.datavolume.claim import InvalidClaimError, claim_spec
from cdi_operator.storage.sizes import MIB
from tests.unit.flows.given import (
    BLANK,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    HTTP,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NAME,
    NO_GATES,
    NS,
    SETTINGS,
    SOURCE_NAME,
    URL,
    VOLUME_UID,
    config,
    data_volume,
    default_class,
    having,
    noted,
    profile,
    storage_class,
    volume,
)
from tests.unit.flows.given import (
    claim_spec as asked_claim,
)
from tests.unit.world import NOW, World

GIB = 1 << 30
INFLATED = 1138166334
"""Of 1 GiB, by 0.06."""
RWO, RWX, ROX = "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"
RBD = profile("csi", (RWX, "Block"), (RWO, "Block"), (RWO, "Filesystem"))
VIRT = noted(storage_class("virt"), {names.DEFAULT_VIRT_CLASS: "true"})


def storage(size="1Gi", **rest):
    requests = {"resources": {"requests": {"storage": size}}} if size else {}
    return data_volume(storage={**requests, **rest})


def rendered(*objects):
    return claim_spec(observe(World(*objects), KEY))


def complaint(*objects):
    with pytest.raises(InvalidClaimError) as caught:
        rendered(*objects)
    return str(caught.value), *caught.value.more


def made(*objects):
    actions = plan(observe(World(*objects), KEY), SETTINGS, NOW)
    return next(action.object for action in actions if isinstance(action, Create) and "Claim" in action.object["kind"])


# spec.pvc -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pvc", "wanted"),
    [
        (asked_claim(), asked_claim(volumeMode="Filesystem")),
        (asked_claim(volumeMode="Block"), asked_claim(volumeMode="Block")),
        (asked_claim("1"), asked_claim("1", volumeMode="Filesystem")),
        ({"selector": {}, "volumeName": "v"}, {"selector": {}, "volumeName": "v", "volumeMode": "Filesystem"}),
    ],
)
def test_taken_literally(pvc, wanted):
    """No profile, no room for a filesystem; what is wrong with it the API server says."""
    assert rendered(*CSI, RBD, data_volume(pvc=pvc)) == wanted


# spec.storage: class and modes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "asked", "wanted"),
    [
        ([default_class("csi")], {}, "csi"),
        ([default_class("csi"), storage_class("other")], {"storageClassName": "other"}, "other"),
        ([default_class("csi"), VIRT], {}, "virt"),
        ([default_class("csi"), VIRT], {"contentType": "archive"}, "csi"),
        ([], {"storageClassName": "later"}, "later"),
        ([default_class("csi")], {"storageClassName": ""}, ""),
        ([storage_class("csi")], {}, None),
    ],
)
def test_class(classes, asked, wanted):
    content = {"contentType": asked["contentType"]} if "contentType" in asked else {}
    modes = {"accessModes": [RWO], "volumeMode": "Filesystem"}
    found = having(storage(**modes, **{key: asked[key] for key in asked if key != "contentType"}), spec=content)
    assert rendered(*classes, found).get("storageClassName") == wanted


@pytest.mark.parametrize(
    ("rows", "access_modes", "volume_mode", "wanted"),
    [
        # profile                                  asked for            rendered
        ([(RWX, "Block"), (RWO, "Filesystem")], [], None, ([RWX], "Block")),
        ([(RWX, "Block"), (RWO, "Filesystem")], [RWO], None, ([RWO], "Filesystem")),
        ([(RWX, "Block"), (RWO, "Block"), (RWO, "Filesystem")], [RWO], None, ([RWO], "Block")),
        ([(RWX, "Block"), (RWO, "Filesystem")], [], "Filesystem", ([RWO], "Filesystem")),
        ([(RWX, "Block"), (RWO, "Block")], [], "Block", ([RWX], "Block")),
        ([(RWX, "Block")], [RWO], "Filesystem", ([RWO], "Filesystem")),
        ([(RWX, "Block")], [ROX], None, ([ROX], "Block")),
        ([], [ROX], None, ([ROX], "Filesystem")),
        ([], [RWO], "Block", ([RWO], "Block")),
    ],
)
def test_modes(rows, access_modes, volume_mode, wanted):
    asked = {
        **({"accessModes": access_modes} if access_modes else {}),
        **({"volumeMode": volume_mode} if volume_mode else {}),
    }
    spec = rendered(default_class("csi"), profile("csi", *rows), storage(**asked))
    assert (spec["accessModes"], spec["volumeMode"]) == wanted


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        # of the volumes a (RWO, Block, 1 GiB) and b (RWX, Filesystem, 2 GiB) of a class without a class object
        ({"storageClassName": "manual"}, ([RWO], "Block")),
        ({"storageClassName": "manual", "size": "2Gi"}, ([RWX], "Filesystem")),
        ({"storageClassName": "manual", "volumeMode": "Filesystem"}, ([RWX], "Filesystem")),
        ({"storageClassName": "manual", "accessModes": [RWX]}, ([RWX], "Filesystem")),
        ({"storageClassName": "manual", "accessModes": [ROX]}, ([ROX], "Filesystem")),
        # and of c (ROX, Block, 1 GiB), of no class at all
        ({"storageClassName": ""}, ([ROX], "Block")),
        ({"volumeMode": "Block"}, ([ROX], "Block")),
        ({"accessModes": [ROX]}, ([ROX], "Block")),
    ],
)
def test_modes_of_a_volume_made_by_hand(asked, wanted):
    def free(name, access_mode, mode, size, class_name):
        what = {"accessModes": [access_mode], "volumeMode": mode, "capacity": {"storage": size}}
        return volume(name, claim="", phase="Available", storageClassName=class_name, **what)

    volumes = [
        free("a", RWO, "Block", "1Gi", "manual"),
        free("b", RWX, "Filesystem", "2Gi", "manual"),
        free("c", ROX, "Block", "1Gi", ""),
        volume("taken", storageClassName="manual", accessModes=[RWX], volumeMode="Block"),
    ]
    spec = rendered(*volumes, storage(**asked))
    assert (spec["accessModes"], spec["volumeMode"]) == wanted


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        (
            [storage()],
            ("PVC spec is missing accessMode and no storageClass to choose profile",),
        ),
        (
            [volume("free", claim="", phase="Available", storageClassName=""), storage()],
            ("PVC spec is missing accessMode and no storageClass to choose profile",),
        ),
        (
            [storage(storageClassName="gone")],
            ('PVC spec is missing accessMode and no storageClass to choose profile: StorageClass "gone" not found',),
        ),
        (
            [default_class("csi"), profile("csi"), storage()],
            (
                "no accessMode specified in StorageProfile csi",
                "Spec is missing accessMode and volumeMode, cannot get access mode from StorageProfile csi",
            ),
        ),
        (
            [default_class("csi"), storage(volumeMode="Block")],
            (
                "no accessMode specified in StorageProfile csi",
                "Spec is missing accessMode and cannot get access mode from StorageProfile csi",
            ),
        ),
        (
            [default_class("csi"), profile("csi", (RWO, "Filesystem")), storage(volumeMode="Block")],
            (
                "no matching accessMode specified in StorageProfile csi",
                "Spec is missing accessMode and cannot get access mode from StorageProfile csi",
            ),
        ),
        (
            [default_class("csi"), RBD, having(storage(volumeMode="Block"), spec={"contentType": "archive"})],
            ("ContentType Archive cannot have block volumeMode",),
        ),
        ([default_class("csi"), RBD, storage(None)], ("PVC Spec is not valid - missing storage size",)),
        (
            [default_class("csi"), RBD, storage("1Ki")],
            ("PVC Spec is not valid - storage size should be at least 1MiB",),
        ),
        ([default_class("csi"), RBD, storage("0")], ("PVC Spec is not valid - storage size should be at least 1MiB",)),
        (
            [default_class("csi"), RBD, storage("1.5.5Gi")],
            (
                "PVC Spec is not valid - quantities must match the regular expression "
                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', and '1.5.5Gi' does not",
            ),
        ),
    ],
)
def test_complaints(objects, wanted):
    assert complaint(*objects) == wanted


def test_an_archive_is_unpacked_onto_a_filesystem():
    spec = rendered(default_class("csi"), RBD, having(storage(), spec={"contentType": "archive"}))
    assert (spec["accessModes"], spec["volumeMode"]) == ([RWO], "Filesystem")


# spec.storage: size -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "mode", "overhead", "minimum", "wanted"),
    [
        ("1Gi", "Filesystem", {}, "", INFLATED),
        ("1Gi", "Block", {}, "", GIB),
        ("1Gi", "Filesystem", {"global": "0"}, "", GIB),
        ("1Gi", "Filesystem", {"global": "0.5"}, "", GIB * 3 // 2),
        ("1Gi", "Filesystem", {"global": "0.5", "storageClass": {"csi": "0.25"}}, "", GIB * 5 // 4),
        ("1Gi", "Filesystem", {"global": "0.5", "storageClass": {"other": "0.25"}}, "", GIB * 3 // 2),
        ("1048577", "Filesystem", {"global": "0"}, "", 2 * MIB),
        ("1048577", "Block", {}, "", 1048577),
        ("1Gi", "Block", {}, "1Gi", GIB),
        ("2Gi", "Block", {}, "1Gi", 2 * GIB),
    ],
)
def test_size(asked, mode, overhead, minimum, wanted):
    objects = default_class("csi"), profile("csi", (RWO, mode), minimum=minimum), config(filesystemOverhead=overhead)
    assert rendered(*objects, storage(asked))["resources"]["requests"]["storage"] == str(wanted)


def test_no_smaller_than_the_storage_can():
    spec = rendered(default_class("csi"), profile("csi", (RWO, "Block"), minimum="4Gi"), storage("1Gi"))
    assert spec["resources"]["requests"]["storage"] == "4Gi"


def test_what_else_was_asked_for_stays():
    asked = {"selector": {"matchLabels": {"a": "b"}}, "volumeName": "v"}
    spec = rendered(default_class("csi"), RBD, storage(**asked))
    assert {key: spec[key] for key in asked} == asked


# The claim as it is made --------------------------------------------------------------------------------------------

RECOMMENDED = {
    "app.kubernetes.io/component": "storage",
    "app.kubernetes.io/managed-by": "cdi-controller",
    "app.kubernetes.io/part-of": "kubevirt",
    "app.kubernetes.io/version": "1.2.3",
}
OWNER = {
    "apiVersion": "cdi.kubevirt.io/v1beta1",
    "kind": "DataVolume",
    "name": NAME,
    "uid": VOLUME_UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
REFERENCE = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": SOURCE_NAME}


def test_whole_for_the_populator():
    assert made(*CSI, HONOURS_WAIT, data_volume()) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": NAME,
            "namespace": NS,
            "labels": {
                **RECOMMENDED,
                "app": "containerized-data-importer",
                "alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled",
            },
            "annotations": {
                "cdi.kubevirt.io/storage.pod.restarts": "0",
                "cdi.kubevirt.io/storage.contentType": "kubevirt",
                "cdi.kubevirt.io/storage.preallocation.requested": "false",
                "cdi.kubevirt.io/createdForDataVolume": VOLUME_UID,
                "cdi.kubevirt.io/storage.usePopulator": "true",
            },
            "ownerReferences": [OWNER],
        },
        "spec": asked_claim(volumeMode="Filesystem", dataSourceRef=REFERENCE),
    }


def test_for_the_legacy_flow_the_claim_carries_the_source():
    claim = made(*LOCAL, HONOURS_WAIT, data_volume())
    notes = claim["metadata"]["annotations"]
    assert claim["spec"] == asked_claim(volumeMode="Filesystem")
    assert notes["cdi.kubevirt.io/storage.import.source"] == "http"
    assert notes["cdi.kubevirt.io/storage.import.endpoint"] == URL
    assert names.USE_POPULATOR not in notes


def test_blank_has_no_endpoint():
    notes = made(*LOCAL, data_volume(BLANK))["metadata"]["annotations"]
    assert notes[names.SOURCE] == "none"
    assert names.ENDPOINT not in notes


@pytest.mark.parametrize(
    ("storage", "gates", "asked", "wanted"),
    [
        # populator: without the gate nothing waits, and the claim says so; the user's own word stays what it is
        (CSI_WAITS, HONOURS_WAIT, {}, None),
        (CSI_WAITS, NO_GATES, {}, ""),
        (CSI_WAITS, NO_GATES, {names.IMMEDIATE_BIND: "false"}, "false"),
        (CSI_WAITS, HONOURS_WAIT, {names.IMMEDIATE_BIND: "true"}, "true"),
        # before there is a CDIConfig it counts as it will be made
        (CSI_WAITS, None, {}, None),
        # legacy: the gate is asked when the worker is to be made
        (LOCAL_WAITS, NO_GATES, {}, None),
    ],
)
def test_immediate_binding(storage, gates, asked, wanted):
    claim = made(*storage, *((gates,) if gates else ()), noted(data_volume(), asked))
    assert claim["metadata"]["annotations"].get(names.IMMEDIATE_BIND) == wanted


@pytest.mark.parametrize(
    ("patch", "wanted"),
    [
        ({"spec": {"priorityClassName": "high"}}, {names.PRIORITY_CLASS: "high"}),
        ({"spec": {"serviceAccountName": "puller"}}, {names.SERVICE_ACCOUNT: "puller"}),
        ({"spec": {"contentType": "archive"}}, {names.CONTENT_TYPE: "archive"}),
        ({"spec": {"preallocation": True}}, {names.PREALLOCATION_REQUESTED: "true"}),
        ({"metadata": {"annotations": {"example.com/any": "x"}}}, {"example.com/any": "x"}),
        ({"metadata": {"annotations": {names.POD_RETAIN: "true"}}}, {names.POD_RETAIN: "true"}),
    ],
)
def test_annotations(patch, wanted):
    notes = made(*CSI, having(data_volume(), **patch))["metadata"]["annotations"]
    assert {key: notes.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("asked", "installation", "wanted"),
    [(None, False, "false"), (None, True, "true"), (True, False, "true"), (False, True, "false")],
)
def test_preallocation(asked, installation, wanted):
    claim = made(*CSI, config(preallocation=installation), data_volume(preallocation=asked))
    assert claim["metadata"]["annotations"][names.PREALLOCATION_REQUESTED] == wanted


@pytest.mark.parametrize(
    ("mode", "labels", "wanted"),
    [
        ("Filesystem", {}, {names.NO_FILLING_UP_ALERT: "disabled"}),
        ("Block", {}, {names.NO_FILLING_UP_ALERT: None}),
        ("Block", {"team": "blue", "app": "mine"}, {"team": "blue", "app": "containerized-data-importer"}),
    ],
)
def test_labels(mode, labels, wanted):
    volume = having(data_volume(pvc=asked_claim(volumeMode=mode)), metadata={"labels": labels})
    carried = made(*CSI, volume)["metadata"]["labels"]
    assert {key: carried.get(key) for key in wanted} == wanted


# What comes with the claim ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "given", "wanted"),
    [
        (HTTP, {}, {"contentType": "kubevirt", "preallocation": False}),
        (BLANK, {}, {"contentType": "kubevirt", "preallocation": False}),
        (HTTP, {"contentType": "archive", "preallocation": True}, {"contentType": "archive", "preallocation": True}),
        (
            HTTP,
            {"checkpoints": [{"previous": "", "current": "a"}], "finalCheckpoint": False},
            {"checkpoints": [{"previous": "", "current": "a"}], "finalCheckpoint": False},
        ),
    ],
)
def test_population_source(source, given, wanted):
    """Made before the claim that refers to it."""
    _, first, second = plan(observe(World(*CSI, data_volume(source, **given)), KEY), SETTINGS, NOW)
    assert (first.object["kind"], second.object["kind"]) == ("VolumeImportSource", "PersistentVolumeClaim")
    assert first.object["metadata"] == {
        "name": SOURCE_NAME,
        "namespace": NS,
        "labels": {**RECOMMENDED, "app": "containerized-data-importer"},
        "ownerReferences": [OWNER],
    }
    assert first.object["spec"]["source"] == source
    assert {key: first.object["spec"].get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("storage", "said", "wanted"),
    [
        # the class       the DataVolume says    the claim is made for the populator
        (CSI, None, True),
        (LOCAL, None, False),
        ((), None, False),
        (CSI, "false", False),
        (LOCAL, "true", True),
    ],
)
def test_which_flow(storage, said, wanted):
    """Decided once, and written down on the DataVolume before the claim is made."""
    world = World(*storage, noted(data_volume(), {names.USE_POPULATOR: said}))
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    assert [type(action) for action in actions].index(Create) == (1 if said is None else 0)
    world.apply(actions)
    noted_on = world.get("DataVolume", NAME, NS)["metadata"]["annotations"]
    assert noted_on[names.USE_POPULATOR] == ("true" if wanted else "false")
    claim = world.get("PersistentVolumeClaim", NAME, NS)
    assert ("dataSourceRef" in claim["spec"]) == wanted
    assert (world.get("VolumeImportSource", SOURCE_NAME, NS) is not None) == wanted
