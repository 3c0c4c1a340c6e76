"""The spec of a DataVolume's claim: taken literally, or rendered from the storage's profile (spec 4.7)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.datavolume import observe
from cdi_operator.flows.datavolume.claim import claim_spec
from cdi_operator.flows.rendering import InvalidClaimError
from cdi_operator.storage.sizes import MIB
from tests.unit.flows.given import (
    CSI,
    KEY,
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
from tests.unit.world import World

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
        ([(ROX, "Filesystem"), (RWO, "Block")], [RWX, RWO], None, ([RWX, RWO], "Block")),
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
        ("1Gi", "Block", {}, "", "1Gi"),
        ("1Gi", "Filesystem", {"global": "0"}, "", GIB),
        ("1Gi", "Filesystem", {"global": "0.5"}, "", GIB * 3 // 2),
        ("1Gi", "Filesystem", {"global": "0.5", "storageClass": {"csi": "0.25"}}, "", GIB * 5 // 4),
        ("1Gi", "Filesystem", {"global": "0.5", "storageClass": {"other": "0.25"}}, "", GIB * 3 // 2),
        ("1048577", "Filesystem", {"global": "0"}, "", 2 * MIB),
        ("1048577", "Block", {}, "", 1048577),
        ("1Gi", "Block", {}, "1Gi", "1Gi"),
        ("2Gi", "Block", {}, "1Gi", "2Gi"),
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


# Left to the webhook ------------------------------------------------------------------------------------------------

LABEL = {names.APPLY_STORAGE_PROFILE: "true"}
OFF = having(config(), spec={"webhookPvcRendering": "Disabled"})
ASKED = {"resources": {"requests": {"storage": "1Gi"}}}


@pytest.mark.parametrize(
    ("label", "installed", "asked", "wanted"),
    [
        # label              CDIConfig   spec.storage           -> spec of the claim
        (LABEL, (), {}, {**ASKED, "volumeMode": "FromStorageProfile", "storageClassName": "csi"}),
        (LABEL, (), {"volumeMode": "Block"}, {**ASKED, "volumeMode": "Block", "storageClassName": "csi"}),
        (LABEL, (VIRT,), {}, {**ASKED, "volumeMode": "FromStorageProfile", "storageClassName": "virt"}),
        (
            LABEL,
            (),
            {"storageClassName": "other"},
            {**ASKED, "volumeMode": "FromStorageProfile", "storageClassName": "other"},
        ),
    ],
)
def test_left_to_the_webhook(label, installed, asked, wanted):
    volume = having(storage(**asked), metadata={"labels": label})
    assert rendered(default_class("csi"), RBD, *installed, volume) == wanted


@pytest.mark.parametrize(
    ("label", "installed"), [({}, ()), ({names.APPLY_STORAGE_PROFILE: "false"}, ()), (LABEL, (OFF,))]
)
def test_not_left_to_the_webhook(label, installed):
    spec = rendered(default_class("csi"), RBD, *installed, having(storage(), metadata={"labels": label}))
    assert (spec["accessModes"], spec["volumeMode"]) == ([RWX], "Block")


def test_without_any_class_the_webhook_tells_what_is_missing():
    volume = having(storage(), metadata={"labels": LABEL})
    assert rendered(volume) == {**ASKED, "volumeMode": "FromStorageProfile"}


def test_a_literal_claim_is_not_changed_for_the_webhook():
    volume = having(data_volume(pvc=asked_claim()), metadata={"labels": LABEL})
    assert rendered(*CSI, RBD, volume) == asked_claim(volumeMode="Filesystem")
