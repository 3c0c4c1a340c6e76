"""Claims that are taken as they are: adopted, filled elsewhere, for volumes made beforehand (spec 2.2, 2.6)."""

import json
from typing import Any

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta
from cdi_operator.flows.datavolume import observe, plan
from tests.unit.flows.given import (
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    HTTP,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    MADE_HERE,
    NAME,
    NS,
    PV,
    SETTINGS,
    VOLUME_UID,
    by_hand,
    claim_spec,
    config,
    data_volume,
    having,
    legacy,
    noted,
    owned_by,
    reserved_volume,
    target,
    volume,
)
from tests.unit.world import NOW, World, settle

ADOPTS = config("HonorWaitForFirstConsumer", "DataVolumeClaimAdoption")
FILLED = {names.POPULATED_FOR: NAME}
CLAIM = ("PersistentVolumeClaim", NAME, NS)
UPLOAD: dict[str, Any] = {"upload": {}}


def look(world):
    return plan(observe(world, KEY), SETTINGS, NOW)


def settled(*objects):
    world = World(*objects)
    settle(world, look)
    return world


def status(world):
    return world.get("DataVolume", NAME, NS)["status"]


def shown(world):
    """Phase and progress, and what Bound and Ready say."""
    said = {each["type"]: (each["status"], each.get("reason", "")) for each in status(world)["conditions"]}
    return status(world).get("phase", ""), status(world)["progress"], said["Bound"], said["Ready"]


def notes(world, kind="PersistentVolumeClaim"):
    return world.get(kind, NAME, NS)["metadata"]["annotations"]


BOUND, PENDING, READY, NOT_READY = ("True", "Bound"), ("False", "Pending"), ("True", ""), ("False", "")
STRANGER = ("False", "ErrResourceExists")


@pytest.mark.parametrize(
    ("gates", "asked", "on_claim", "adopted"),
    [
        # gate          the DataVolume says                     the claim says                            it is taken
        (HONOURS_WAIT, {}, {}, False),
        (ADOPTS, {}, {}, True),
        (HONOURS_WAIT, {names.ALLOW_CLAIM_ADOPTION: "true"}, {}, True),
        (HONOURS_WAIT, {names.ALLOW_CLAIM_ADOPTION: "True"}, {}, True),
        (ADOPTS, {names.ALLOW_CLAIM_ADOPTION: "false"}, {}, False),
        (ADOPTS, {names.ALLOW_CLAIM_ADOPTION: "perhaps"}, {}, False),
        # one that we made for this DataVolume is to be filled; one that was made for another is as good as any
        (ADOPTS, {names.ALLOW_CLAIM_ADOPTION: "true"}, MADE_HERE, False),
        (ADOPTS, {}, {names.CREATED_FOR_DATA_VOLUME: "uid-before"}, True),
        # filled for it elsewhere: that counts by itself
        (HONOURS_WAIT, {}, FILLED, True),
        (HONOURS_WAIT, {names.ALLOW_CLAIM_ADOPTION: "false"}, {**FILLED, **MADE_HERE}, True),
        (HONOURS_WAIT, {}, {names.POPULATED_FOR: "other"}, False),
    ],
)
@pytest.mark.parametrize("storage", [CSI, LOCAL], ids=["csi", "local"])
def test_adoption(storage, gates, asked, on_claim, adopted):
    world = settled(*storage, gates, noted(data_volume(), asked), by_hand("Bound", on_claim))
    owners = world.get(*CLAIM)["metadata"].get("ownerReferences") or []
    assert [owner["uid"] for owner in owners] == ([VOLUME_UID] if adopted else [])
    assert shown(world) == (("Succeeded", "N/A", BOUND, READY) if adopted else ("", "N/A", STRANGER, NOT_READY))
    assert status(world).get("claimName") == (NAME if adopted else None)


@pytest.mark.parametrize(
    ("storage", "found", "bound"),
    [
        (CSI, by_hand("Pending"), PENDING),
        (CSI_WAITS, by_hand("Pending"), PENDING),
        (LOCAL_WAITS, by_hand("Pending"), PENDING),
        (
            CSI,
            having(
                target("Pending", {names.CREATED_FOR_DATA_VOLUME: "uid-before"}), metadata={"ownerReferences": None}
            ),
            PENDING,
        ),
        # what an earlier worker did with it is not ours: no progress of it is shown
        (LOCAL, by_hand("Bound", {names.POD_PHASE: "Succeeded"}), BOUND),
    ],
)
def test_it_is_done_even_while_the_claim_is_pending(storage, found, bound):
    assert shown(settled(*storage, ADOPTS, data_volume(), found)) == ("Succeeded", "N/A", bound, READY)


def test_a_lost_claim_is_lost():
    assert shown(settled(*CSI, ADOPTS, data_volume(), by_hand("Lost")))[0] == "Failed"


def test_only_ownership_changes():
    before = by_hand("Bound", {"example.com/any": "x"})
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "uid-other"}
    world = World(*CSI, ADOPTS, data_volume(), having(before, metadata={"ownerReferences": [other]}))
    (patch,) = look(world)
    assert patch == PatchMeta(
        patch.ref, owner_references=patch.owner_references, resource_version=patch.resource_version
    )
    assert patch.resource_version == world.get(*CLAIM)["metadata"]["resourceVersion"]
    first, second = patch.owner_references
    assert (first, second["kind"], second["uid"], second["controller"]) == (other, "DataVolume", VOLUME_UID, True)


def test_what_somebody_else_controls_is_never_taken():
    theirs = owned_by(by_hand("Bound"), "DataVolume", "other", "uid-other")
    assert shown(settled(*CSI, ADOPTS, data_volume(), theirs)) == ("", "N/A", STRANGER, NOT_READY)


@pytest.mark.parametrize("source", [HTTP, UPLOAD, {"pvc": {"namespace": "a", "name": "b"}}, {"blank": {}}])
def test_whatever_it_would_have_been_filled_from(source):
    assert shown(settled(*CSI, ADOPTS, data_volume(source), by_hand("Bound")))[0] == "Succeeded"


def test_the_gate_may_be_closed_again():
    """What has been adopted is not a claim that somebody deleted and that has to be filled anew."""
    world = settled(*CSI, ADOPTS, data_volume(), by_hand("Bound"))
    world.edit("CDIConfig", "config", {"spec": {"featureGates": []}})
    assert look(world) == ()
    assert shown(world)[0] == "Succeeded"


def test_when_the_adopted_claim_goes_a_new_one_is_made():
    world = settled(*CSI, ADOPTS, data_volume(), by_hand("Bound"))
    world.delete(*CLAIM)
    settle(world, look)
    assert shown(world)[0] == "Pending"
    assert notes(world)[names.CREATED_FOR_DATA_VOLUME] == VOLUME_UID


# Filled for the DataVolume before it came (spec 2.2 steps 7 and 10) --------------------------------------------------


@pytest.mark.parametrize(("phase", "wanted"), [("Bound", NAME), ("Pending", None)])
def test_pre_populated_is_noted_when_the_claim_is_bound(phase, wanted):
    world = settled(*CSI, HONOURS_WAIT, data_volume(), by_hand(phase, FILLED))
    assert world.get("DataVolume", NAME, NS)["metadata"].get("annotations", {}).get(names.PRE_POPULATED) == wanted


@pytest.mark.parametrize("source", [HTTP, UPLOAD])
def test_a_pre_populated_data_volume_waits_for_its_claim(source):
    world = settled(*CSI, HONOURS_WAIT, noted(data_volume(source), {names.PRE_POPULATED: NAME}))
    assert shown(world) == ("Pending", "N/A", ("False", "NotFound"), NOT_READY)
    assert world.get(*CLAIM) is None
    world.add(by_hand("Bound", FILLED))
    settle(world, look)
    assert shown(world) == ("Succeeded", "N/A", BOUND, READY)


def test_its_claim_is_not_made_again():
    done = data_volume(phase="Succeeded", status={"progress": "100.0%"})
    world = settled(*CSI, HONOURS_WAIT, noted(done, {names.PRE_POPULATED: NAME}))
    assert (shown(world)[0], world.get(*CLAIM)) == ("Pending", None)


@pytest.mark.parametrize(
    ("phase", "on_claim", "wanted"),
    [
        # the DataVolume is   the claim said         it says
        ("Succeeded", {}, "someone"),
        ("Succeeded", {names.POPULATED_FOR: "me"}, "me"),
        ("ImportInProgress", {}, None),
    ],
)
def test_populated_for_is_passed_on_at_the_end(phase, on_claim, wanted):
    done = {names.POD_PHASE: "Succeeded"} if phase == "Succeeded" else {}
    asked = noted(data_volume(phase=phase), {names.POPULATED_FOR: "someone"})
    world = settled(*LOCAL, HONOURS_WAIT, asked, legacy("Bound", {**done, **on_claim}))
    assert notes(world).get(names.POPULATED_FOR) == wanted


def test_populated_for_is_not_on_a_new_claim():
    world = settled(*LOCAL, HONOURS_WAIT, noted(data_volume(), {names.POPULATED_FOR: NAME, "example.com/any": "x"}))
    assert names.POPULATED_FOR not in notes(world)
    assert notes(world)["example.com/any"] == "x"


def test_it_stays_what_it_was_when_it_is_passed_on():
    done = {"progress": "100.0%", "restartCount": 2}
    asked = noted(data_volume(phase="Succeeded", status=done), {names.POPULATED_FOR: NAME})
    world = settled(*LOCAL, HONOURS_WAIT, asked, legacy("Bound", {names.POD_PHASE: "Succeeded"}))
    assert shown(world) == ("Succeeded", "100.0%", BOUND, READY)
    assert status(world)["restartCount"] == 2


# Volumes made beforehand (spec 2.2 step 6) ---------------------------------------------------------------------------

WANTS_STATIC = {names.CHECK_STATIC_VOLUME: ""}


@pytest.mark.parametrize(
    ("asked", "found", "listed"),
    [
        # the DataVolume                                      the volume                                          used
        (data_volume(), reserved_volume(), [PV]),
        (data_volume(), reserved_volume(capacity={"storage": "2Gi"}), [PV]),
        (data_volume(), reserved_volume(capacity={"storage": "1023Mi"}), None),
        (data_volume(), reserved_volume(storageClassName="other"), None),
        (data_volume(), reserved_volume(volumeMode="Block"), None),
        (data_volume(pvc=claim_spec(volumeMode="Block")), reserved_volume(volumeMode="Block"), [PV]),
        (data_volume(), reserved_volume(accessModes=["ReadOnlyMany"]), None),
        (data_volume(), reserved_volume(phase="Released"), None),
        (data_volume(), volume(claim="other", phase="Available"), None),
        (data_volume(pvc=claim_spec("1.5.5")), reserved_volume(), None),
        # whatever it would have been filled from
        (data_volume({"blank": {}}), reserved_volume(), [PV]),
    ],
)
@pytest.mark.parametrize("storage", [CSI, LOCAL], ids=["csi", "local"])
def test_which_volumes_are_used(storage, asked, found, listed):
    world = World(*storage, HONOURS_WAIT, noted(asked, WANTS_STATIC), found)
    world.apply(look(world))
    claim = world.get(*CLAIM)
    said = claim["metadata"]["annotations"].get(names.PERSISTENT_VOLUME_LIST)
    assert (json.loads(said) if said else None) == listed
    if listed:
        assert "dataSourceRef" not in claim["spec"]
        assert not {names.SOURCE, names.ENDPOINT} & claim["metadata"]["annotations"].keys()
        assert list(world.all("VolumeImportSource")) == []


def test_only_when_asked_to():
    world = settled(*LOCAL, HONOURS_WAIT, data_volume(), reserved_volume())
    assert names.PERSISTENT_VOLUME_LIST not in notes(world)
    assert notes(world)[names.SOURCE] == "http"


def test_the_list_is_as_clients_write_it():
    world = settled(*LOCAL, noted(data_volume(), WANTS_STATIC), reserved_volume("a"), reserved_volume("b"))
    assert notes(world)[names.PERSISTENT_VOLUME_LIST] == '["a","b"]'


@pytest.mark.parametrize("storage", [CSI, CSI_WAITS, LOCAL, LOCAL_WAITS], ids=["csi", "wffc", "local", "local wffc"])
def test_bound_to_what_was_made_for_it(storage):
    world = settled(*storage, HONOURS_WAIT, noted(data_volume(), WANTS_STATIC), reserved_volume())
    assert shown(world) == ("Pending", "N/A", PENDING, NOT_READY)
    world.edit("PersistentVolumeClaim", NAME, {"spec": {"volumeName": PV}, "status": {"phase": "Bound"}}, NS)
    settle(world, look)
    assert shown(world) == ("Succeeded", "N/A", BOUND, READY)
    assert notes(world)[names.POPULATED_FOR] == NAME
    assert names.PERSISTENT_VOLUME_LIST not in notes(world)
    assert notes(world, "DataVolume")[names.PRE_POPULATED] == NAME
    assert list(world.all("VolumeImportSource")) == []


def test_bound_to_something_else():
    world = settled(*LOCAL, HONOURS_WAIT, noted(data_volume(), WANTS_STATIC), reserved_volume())
    world.edit("PersistentVolumeClaim", NAME, {"spec": {"volumeName": "wrong"}, "status": {"phase": "Bound"}}, NS)
    event, delete = look(world)
    assert isinstance(event, Emit)
    assert isinstance(delete, Delete)
    assert (event.type, event.reason, event.message) == (
        "Warning",
        "ErrClaimNotValid",
        "DataVolume bound to unexpected PV wrong",
    )
    world.apply((event, delete))
    assert Create in [type(action) for action in look(world)], "and once more"


def test_a_spoilt_list_decides_nothing():
    spoilt = legacy("Bound", {names.SOURCE: None, names.ENDPOINT: None, names.PERSISTENT_VOLUME_LIST: "pv"})
    world = settled(*LOCAL, HONOURS_WAIT, data_volume(), spoilt)
    assert (shown(world)[0], names.POPULATED_FOR in notes(world)) == ("PVCBound", False)
