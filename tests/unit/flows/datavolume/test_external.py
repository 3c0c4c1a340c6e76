"""A DataVolume whose claim somebody else fills: a populator, or the storage itself (spec 1.1, 2.3)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Emit
from cdi_operator.flows.datavolume import observe, plan
from tests.unit.flows.given import (
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NAME,
    NO_GATES,
    NS,
    SETTINGS,
    VOLUME_UID,
    claim_spec,
    config,
    data_volume,
    default_class,
    driver,
    noted,
    profile,
    storage_class,
)
from tests.unit.world import NOW, World

ANYBODY = {"apiGroup": "example.com", "kind": "Backup", "name": "monday"}
SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "monday"}
CLAIM = {"kind": "PersistentVolumeClaim", "name": "other"}
MIGRATED = (storage_class(provisioner="kubernetes.io/aws-ebs"), driver("ebs.csi.aws.com"))
PLACED = {names.SELECTED_NODE: "node-1"}
AT_ONCE = {names.IMMEDIATE_BIND: ""}
WRONG_GATE = "AnyVolumeDataSource feature gate is not enabled: External population not supported"
NO_DRIVER = "No CSI drivers were found: External population not supported"


def external(field="dataSourceRef", reference=ANYBODY, phase="", **rest):
    return data_volume(None, phase, pvc=claim_spec(**{field: reference}), **rest)


def look(world):
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    world.apply(actions)
    return actions


def claim_of(world):
    return world.get("PersistentVolumeClaim", NAME, NS)


def with_claim(*objects):
    """The DataVolume has made its claim, and nobody has looked at that yet."""
    world = World(*objects)
    look(world)
    return world


def told(actions):
    words = [(each.type, each.reason, each.message) for each in actions if isinstance(each, Emit)]
    return [each for each in words if each[1] not in ("Bound", "Pending")]


@pytest.mark.parametrize(
    ("field", "reference"),
    [("dataSourceRef", ANYBODY), ("dataSourceRef", SNAPSHOT), ("dataSource", SNAPSHOT), ("dataSource", CLAIM)],
)
@pytest.mark.parametrize("gates", [HONOURS_WAIT, NO_GATES])
def test_the_claim_says_itself_what_fills_it(field, reference, gates):
    claim = claim_of(world := with_claim(*CSI, gates, external(field, reference)))
    assert claim["spec"] == claim_spec(volumeMode="Filesystem", **{field: reference})
    notes = claim["metadata"]["annotations"]
    assert (notes[names.EXTERNAL_POPULATION], notes[names.CREATED_FOR_DATA_VOLUME]) == ("true", VOLUME_UID)
    assert not {names.SOURCE, names.ENDPOINT, names.IMMEDIATE_BIND} & notes.keys()
    assert list(world.all("VolumeImportSource")) == []


@pytest.mark.parametrize(
    ("reference", "wanted"), [(ANYBODY, "1138166334"), (SNAPSHOT, "1Gi")], ids=["inflated", "literal"]
)
def test_rendered_like_any_other_but_as_large_as_its_snapshot(reference, wanted):
    """Spec 4.7 step 6."""
    size = {"resources": {"requests": {"storage": "1Gi"}}}
    found = (default_class("csi"), driver(), profile("csi", ("ReadWriteOnce", "Filesystem")))
    spec = claim_of(with_claim(*found, data_volume(None, storage={**size, "dataSourceRef": reference})))["spec"]
    assert spec["resources"]["requests"]["storage"] == wanted
    assert (spec["accessModes"], spec["volumeMode"], spec["dataSourceRef"]) == (
        ["ReadWriteOnce"],
        "Filesystem",
        reference,
    )


@pytest.mark.parametrize(
    ("storage", "gates", "claim", "phase", "event"),
    [
        # class     gates          the claim                                      phase, event
        (CSI, HONOURS_WAIT, {}, "Pending", []),
        (CSI_WAITS, HONOURS_WAIT, {}, "PendingPopulation", []),
        (CSI_WAITS, HONOURS_WAIT, {"metadata": {"annotations": PLACED}}, "Pending", []),
        (CSI_WAITS, HONOURS_WAIT, {"metadata": {"annotations": AT_ONCE}}, "Pending", []),
        (
            CSI,
            HONOURS_WAIT,
            {"status": {"phase": "Bound"}},
            "Succeeded",
            [("Normal", "ExternalPopulationSucceeded", "PVC disk successfully populated by Backup")],
        ),
        # the API server dropped what fills the claim
        (
            CSI,
            HONOURS_WAIT,
            {"spec": {"dataSourceRef": None}},
            "Pending",
            [("Warning", "NoAnyVolumeDataSource", WRONG_GATE)],
        ),
        (
            CSI,
            HONOURS_WAIT,
            {"spec": {"dataSourceRef": None}, "status": {"phase": "Bound"}},
            "Pending",
            [("Warning", "NoAnyVolumeDataSource", WRONG_GATE)],
        ),
        (LOCAL, HONOURS_WAIT, {}, "Pending", [("Warning", "NoCSIDriverForExternalPopulation", NO_DRIVER)]),
        (LOCAL_WAITS, HONOURS_WAIT, {}, "Pending", [("Warning", "NoCSIDriverForExternalPopulation", NO_DRIVER)]),
        (MIGRATED, HONOURS_WAIT, {"metadata": {"annotations": {names.MIGRATED_TO: "ebs.csi.aws.com"}}}, "Pending", []),
        (MIGRATED, HONOURS_WAIT, {}, "Pending", [("Warning", "NoCSIDriverForExternalPopulation", NO_DRIVER)]),
        ((), HONOURS_WAIT, {}, "Pending", [("Warning", "NoCSIDriverForExternalPopulation", NO_DRIVER)]),
        (
            LOCAL,
            HONOURS_WAIT,
            {"status": {"phase": "Bound"}},
            "Succeeded",
            [("Normal", "ExternalPopulationSucceeded", "PVC disk successfully populated by Backup")],
        ),
        (
            CSI,
            HONOURS_WAIT,
            {"status": {"phase": "Lost"}},
            "Failed",
            [("Normal", "ClaimLost", "Claim Lost"), ("Warning", "ErrClaimLost", "PVC disk lost")],
        ),
    ],
)
def test_phases(storage, gates, claim, phase, event):
    world = with_claim(*storage, gates, external())
    world.edit("PersistentVolumeClaim", NAME, claim, NS)
    actions = look(world)
    status = world.get("DataVolume", NAME, NS)["status"]
    assert (status["phase"], status["progress"], told(actions)) == (phase, "N/A", event)
    assert look(world) == ()


def test_told_by_the_controller_that_clients_know():
    world = with_claim(*CSI, external())
    (event,) = [each for each in look(world) if isinstance(each, Emit)]
    assert event.component == "datavolume-external-population-controller"


def test_a_driver_that_comes_later_is_found():
    """The words stay in the events; the claim is bound when somebody has filled it."""
    world = with_claim(*LOCAL, external())
    look(world)
    world.add(driver())
    assert look(world) == ()
    world.edit("PersistentVolumeClaim", NAME, {"status": {"phase": "Bound"}}, NS)
    look(world)
    assert world.get("DataVolume", NAME, NS)["status"]["phase"] == "Succeeded"


def test_our_own_populator_is_somebody_too():
    """A hand-made VolumeImportSource: the populate flow fills the claim, and its progress is seen."""
    ours = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "debian"}
    world = with_claim(*CSI, HONOURS_WAIT, external(reference=ours))
    assert list(world.all("VolumeImportSource")) == []
    world.edit("PersistentVolumeClaim", NAME, {"metadata": {"annotations": {names.POPULATOR_PROGRESS: "45.00%"}}}, NS)
    look(world)
    assert world.get("DataVolume", NAME, NS)["status"]["progress"] == "45.00%"


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"dataSourceRef": ANYBODY}, "dataSourceRef"), ({"dataSource": SNAPSHOT}, "dataSource")],
)
def test_one_with_a_source_of_its_own_is_not_external(asked, field):
    """The admission webhook refuses the two together; without it, the source counts (spec 7.2)."""
    claim = claim_of(with_claim(*CSI, config(), data_volume(pvc=claim_spec(**asked))))
    assert names.EXTERNAL_POPULATION not in claim["metadata"]["annotations"]
    assert claim["spec"]["dataSourceRef"]["kind"] == "VolumeImportSource"


def test_the_users_annotations_come_along():
    claim = claim_of(with_claim(*CSI, noted(external(), AT_ONCE)))
    assert claim["metadata"]["annotations"][names.IMMEDIATE_BIND] == ""
