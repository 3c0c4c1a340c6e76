"""News of the hidden claim on its target, the volume that changes hands, and the end (spec 4.2 steps 4 to 6)."""

import json
from datetime import timedelta

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows import transfer
from cdi_operator.flows.actions import Delete, Emit, PatchMeta, PatchSpec, Wait
from cdi_operator.flows.populate import observe, plan
from cdi_operator.flows.seen import timestamp
from cdi_operator.flows.transfer import Reading, Transfer
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    KEY,
    NAME,
    NS,
    POD_UID,
    PRIME,
    RUNNING,
    SETTINGS,
    deleting,
    event,
    having,
    import_source,
    noted,
    pod,
    prime,
    target,
    volume,
)
from tests.unit.world import NOW, World

NAMED = {names.PVC_PRIME: PRIME}
DONE = {names.POD_PHASE: "Succeeded"}
TOLD = {**NAMED, **DONE, names.POPULATOR_PROGRESS: "100.0%"}
BOUND = {**TOLD, names.BOUND: "true", names.BOUND_MESSAGE: "", names.BOUND_REASON: ""}
RETAIN = {names.POD_RETAIN: "true"}
INSTANCE_TYPE = "instancetype.kubevirt.io/default-instancetype"


def world_of(*objects, percent=None):
    world = World(*CSI, import_source(), *objects)
    if percent is not None:
        world.readings[POD_UID] = Reading(percent)
    return world


def look(*objects, **rest):
    return plan(observe(world_of(*objects, **rest), KEY), SETTINGS, NOW)


def notes_after(*objects, **rest):
    world = world_of(*objects, **rest)
    world.apply(plan(observe(world, KEY), SETTINGS, NOW))
    return world.get("PersistentVolumeClaim", NAME, NS)["metadata"]["annotations"]


def kinds(actions):
    return [type(action) for action in actions]


# News ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        names.POD_PHASE,
        names.POD_READY,
        names.POD_SCHEDULABLE,
        names.PREALLOCATION_REQUESTED,
        names.PREALLOCATION_APPLIED,
        names.CHECKPOINT_CURRENT,
        names.CHECKPOINT_DONE,
        names.RUNNING,
        names.RUNNING_MESSAGE,
        names.RUNNING_REASON,
        names.FATAL_ERROR,
        names.VDDK_VERSION,
        names.VDDK_HOST,
    ],
)
def test_copied(key):
    assert notes_after(target(), prime(annotations={key: "x"}))[key] == "x"


@pytest.mark.parametrize("key", [names.POD_PHASE, names.FATAL_ERROR, names.RUNNING_MESSAGE])
def test_what_an_earlier_hidden_claim_said_is_not_left_over(key):
    """Somebody deleted it, and the work begins anew."""
    assert key not in notes_after(target(annotations={key: "x"}), prime("Pending"))


@pytest.mark.parametrize(("shown", "counted", "wanted"), [("0", "2", "2"), ("2", "0", "2"), ("2", None, "2")])
def test_restarts_only_grow(shown, counted, wanted):
    notes = notes_after(
        target(annotations={names.POD_RESTARTS: shown}), prime(annotations={names.POD_RESTARTS: counted})
    )
    assert notes[names.POD_RESTARTS] == wanted


@pytest.mark.parametrize(
    ("annotations", "percent", "wanted"),
    [
        # hidden claim   worker said   target shows
        ({}, None, None),
        ({}, 0.0, "0.00%"),
        ({}, 45.0, "45.00%"),
        ({}, 7.125, "7.12%"),
        ({}, 99.994, "99.99%"),
        ({}, 99.996, None),
        ({}, 100.0, None),
        (DONE, 45.0, "100.0%"),
        (DONE, None, "100.0%"),
    ],
)
def test_progress(annotations, percent, wanted):
    notes = notes_after(target(), prime(annotations=annotations), RUNNING, percent=percent)
    assert notes.get(names.POPULATOR_PROGRESS) == wanted


@pytest.mark.parametrize(
    ("shown", "before", "percent", "wanted"),
    [
        ("45.00%", {}, 3.0, "45.00%"),
        ("9.00%", {}, 10.0, "10.00%"),
        ("N/A", {}, 3.0, "3.00%"),
        # the next stage of a warm import
        ("99.00%", {"stage": "done"}, 3.0, "3.00%"),
    ],
)
def test_progress_takes_nothing_back(shown, before, percent, wanted):
    claim = target(annotations={names.POPULATOR_PROGRESS: shown, names.TRANSFER: json.dumps(before)})
    assert notes_after(claim, prime(), RUNNING, percent=percent)[names.POPULATOR_PROGRESS] == wanted


def test_how_the_transfer_goes():
    """From the worker while it runs, from the hidden claim when it has ended."""
    world = world_of(target(annotations=NAMED), prime(), RUNNING)
    world.readings[POD_UID] = Reading(45.0, Transfer("transfer", "raw", 45, 100, speed_bytes_per_second=9))

    def shown():
        world.apply(plan(observe(world, KEY), SETTINGS, NOW))
        return transfer.noted(observe(world, KEY).target)

    assert shown() == Transfer("transfer", "raw", 45, 100, speed_bytes_per_second=9, message="transferring")
    failed = Transfer("", "raw", 50, 100, error="Transient", message="reset")
    world.edit("Pod", RUNNING["metadata"]["name"], {"status": pod()["status"] | {"containerStatuses": None}}, NS)
    world.edit("PersistentVolumeClaim", PRIME, {"metadata": {"annotations": {names.TRANSFER: failed.text()}}}, NS)
    assert shown() == failed


FAILED = transfer.Transfer("", "raw", 50, 100, error="Permanent", message="got 404", hint="Check the URL.")


@pytest.mark.parametrize(
    ("owner", "before", "told"),
    [
        # a claim that its user made, told once; of a DataVolume's, the DataVolume tells
        (None, {}, ["got 404. Check the URL."]),
        (None, {names.TRANSFER: FAILED.text()}, []),
        ("DataVolume", {}, []),
    ],
)
def test_what_is_wrong_with_a_claim_of_the_users_own(owner, before, told):
    own = {} if owner else {"metadata": {"ownerReferences": None}}
    claim = having(target(annotations={**NAMED, **before}), **own)
    actions = look(claim, prime(annotations={names.TRANSFER: FAILED.text()}))
    assert [each.message for each in actions if isinstance(each, Emit) and each.reason == "Error"] == told


@pytest.mark.parametrize(
    ("label", "copied"),
    [
        (INSTANCE_TYPE, True),
        ("instancetype.kubevirt.io/default-preference", True),
        ("velero.io/exclude-from-backup", False),
        ("app.kubernetes.io/version", False),
        ("team", False),
    ],
)
def test_labels_come_with_the_phase(label, copied):
    hidden = having(prime(annotations=DONE), metadata={"labels": {label: "x"}})
    (patch, *_) = look(target(), hidden)
    assert patch.annotations[names.POD_PHASE] == "Succeeded"
    assert patch.labels == ({label: "x"} if copied else {})


def test_labels_of_the_target_stay():
    hidden = having(prime(), metadata={"labels": {INSTANCE_TYPE: "theirs"}})
    mine = having(target(annotations=NAMED), metadata={"labels": {INSTANCE_TYPE: "mine"}})
    assert look(mine, hidden) == ()


@pytest.mark.parametrize(
    ("events", "message", "wanted"),
    [
        # events about the hidden claim                         told so far    told now: type, reason, message
        ([], None, None),
        ([event("Provisioning", "on it")], None, ("Normal", "Provisioning", f"[{PRIME}] : on it")),
        ([event("NoSpace", "no", kind="Warning")], None, ("Warning", "NoSpace", f"[{PRIME}] : no")),
        ([event("Provisioning", "on it")], f"[{PRIME}] : on it", None),
        (
            [event("A", "first"), event("B", "second", at="2025-06-01T11:00:01Z")],
            f"[{PRIME}] : first",
            ("Normal", "B", f"[{PRIME}] : second"),
        ),
        ([event("B", "second"), event("A", "first")], None, ("Normal", "B", f"[{PRIME}] : second")),
        ([event("ClaimMisbound", "two claims", kind="Warning", at="2025-06-01T11:00:01Z")], None, None),
        ([event("Provisioning", "on it", about="uid-other")], None, None),
    ],
)
def test_events_of_the_hidden_claim_are_told_on_the_target(events, message, wanted):
    said = {names.BOUND: "false", names.BOUND_REASON: "Pending", names.BOUND_MESSAGE: message} if message else {}
    actions = look(target(annotations={**NAMED, **said}), prime(), *events)
    told = [(action.type, action.reason, action.message) for action in actions if isinstance(action, Emit)]
    assert told[-1:] == ([wanted] if wanted else [])
    if wanted:
        (patch,) = [action for action in actions if isinstance(action, PatchMeta)]
        assert patch.annotations[names.BOUND_MESSAGE] == wanted[2]


LATER, LAST = "2025-06-01T11:00:01Z", "2025-06-01T11:00:02Z"


@pytest.mark.parametrize(
    ("on_target", "wanted"),
    [
        # what the target was told before           told now
        ([], ["first", "second", "third"]),
        (["first"], ["second", "third"]),
        (["first", "second"], ["third"]),
        (["third"], ["first", "second", "third"]),
    ],
)
def test_events_that_came_together_are_all_told_in_their_order(on_target, wanted):
    """The oldest first, so that the latest is the one that counts (spec 2.4)."""
    happened = [event("A", "first"), event("B", "second", at=LATER), event("C", "third", at=LAST)]
    misbound = event("ClaimMisbound", "two claims", at=LATER)
    before = [event(f"T{n}", f"[{PRIME}] : {text}", CLAIM_UID) for n, text in enumerate(on_target)]
    actions = look(target(annotations=NAMED), prime(), *happened, misbound, *before)
    told = [action.message for action in actions if isinstance(action, Emit)]
    assert told == [f"[{PRIME}] : {text}" for text in wanted]


@pytest.mark.parametrize(
    ("age_s", "kind", "annotations", "wanted"),
    [
        (0, "Normal", {}, [Wait(5.0)]),
        (4.5, "Normal", {}, [Wait(0.5)]),
        (5, "Normal", {}, [PatchMeta, Emit]),
        (0, "Warning", {}, [PatchMeta, Emit]),
        (0, "Normal", {names.POD_PHASE: "Pending"}, [PatchMeta, Emit]),
        (0, "Normal", {names.TRANSFER: '{"queuePosition":3}'}, [PatchMeta, Emit]),
        (0, "Normal", {names.RUNNING_REASON: "AwaitingVDDK"}, [PatchMeta, Emit]),
    ],
)
def test_what_happens_at_first_is_told_at_once_with_the_worker(age_s, kind, annotations, wanted):
    """Unless somebody complains: each change of the target makes others tell anew what they wait for."""
    made = having(prime(annotations=annotations), metadata={"creationTimestamp": timestamp(NOW)})
    world = world_of(target(annotations=NAMED), made, event("A", "on it", kind=kind))
    actions = plan(observe(world, KEY), SETTINGS, NOW + timedelta(seconds=age_s))
    assert [each if isinstance(each, Wait) else type(each) for each in actions] == wanted


def test_all_news_are_one_patch_of_the_target_as_it_was_seen():
    world = world_of(target(), prime(annotations={names.POD_PHASE: "Running"}), event("Provisioning", "on it"))
    (patch, _) = plan(observe(world, KEY), SETTINGS, NOW)
    assert (patch.annotations[names.POD_PHASE], patch.annotations[names.BOUND]) == ("Running", "false")
    assert patch.resource_version == world.get("PersistentVolumeClaim", NAME, NS)["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("shown", "phase", "told"),
    [("Running", "Failed", True), (None, "Failed", True), ("Failed", "Failed", False), ("Pending", "Running", False)],
)
def test_a_worker_that_failed_is_told(shown, phase, told):
    actions = look(target(annotations={names.POD_PHASE: shown}), prime(annotations={names.POD_PHASE: phase}))
    said = [(each.type, each.reason, each.message) for each in actions if isinstance(each, Emit)]
    assert said == ([("Warning", "importFailed", "Failed to import into PVC disk")] if told else [])


# The volume changes hands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "behind", "handed_over"),
    [
        (prime("Bound", DONE), volume(), True),
        (deleting(prime("Bound", DONE)), volume(), True),
        (prime("Bound", {names.POD_PHASE: "Running"}), volume(), False),
        (prime("Bound", {**DONE, names.CHECKPOINT_CURRENT: "one"}), volume(), False),
        (prime("Bound", {**DONE, names.CHECKPOINT_CURRENT: "one", names.CHECKPOINT_DONE: "true"}), volume(), True),
        (prime("Pending", DONE), volume(), False),
        (prime("Bound", DONE), None, False),
        (prime("Bound", DONE), volume(claim="other", claim_uid="uid-other"), False),
        (prime("Lost", DONE), volume(claim=NAME, claim_uid=CLAIM_UID), False),
    ],
)
def test_when(hidden, behind, handed_over):
    found = (behind,) if behind else ()
    assert (PatchSpec in kinds(look(target(annotations=TOLD), hidden, *found))) == handed_over


def test_how():
    world = world_of(target(annotations=TOLD), prime("Bound", DONE), volume())
    (patch,) = plan(observe(world, KEY), SETTINGS, NOW)
    assert patch.spec == {
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": NS,
            "name": NAME,
            "uid": CLAIM_UID,
            "resourceVersion": world.get("PersistentVolumeClaim", NAME, NS)["metadata"]["resourceVersion"],
        }
    }
    assert patch.resource_version == world.get("PersistentVolume", "pv")["metadata"]["resourceVersion"]
    world.apply((patch,))
    assert plan(observe(world, KEY), SETTINGS, NOW) == (), "the cluster's binder does the rest"


def test_without_its_source_a_population_that_has_begun_goes_on():
    """Spec 4.2 step 1: whoever made the VolumeImportSource may take it away."""
    found = (*CSI, target(annotations=TOLD), prime("Bound", DONE), volume())
    assert kinds(plan(observe(World(*found), KEY), SETTINGS, NOW)) == [PatchSpec]
    ended = (*CSI, target("Bound", TOLD), prime("Lost"))
    assert kinds(plan(observe(World(*ended), KEY), SETTINGS, NOW)) == [PatchMeta, Emit, Delete]


def test_the_target_is_told_before_the_volume_comes():
    """Or a crash in between would leave a bound target that does not know that it is filled."""
    actions = look(target(), prime("Bound", DONE), volume())
    assert kinds(actions) == [PatchMeta, PatchSpec]
    assert actions[0].annotations[names.POD_PHASE] == "Succeeded"


# The end ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "hidden", "wanted"),
    [
        # target                           hidden claim                 what is left to do
        (target("Bound", TOLD), prime("Lost"), [PatchMeta, Emit, Delete]),
        (target("Bound", BOUND), prime("Lost"), [Delete]),
        (target("Bound", BOUND), prime("Bound"), [Delete]),
        (target("Bound", BOUND), deleting(prime("Lost")), []),
        (target("Bound", BOUND), None, []),
        (target("Bound", TOLD), None, [PatchMeta, Emit]),
        (target("Bound", {**TOLD, **RETAIN}), prime("Lost"), [PatchMeta, Emit, Emit]),
        (target("Bound", {**BOUND, **RETAIN}), prime("Lost"), []),
        # bound to a volume made by hand: there is nothing to fill
        (target("Bound"), prime("Pending"), [Delete]),
        (target("Bound"), None, []),
        (deleting(target("Bound", BOUND)), prime("Lost"), []),
    ],
)
def test_finish(claim, hidden, wanted):
    assert kinds(look(claim, *((hidden,) if hidden else ()))) == wanted


def test_what_is_said_at_the_end():
    patch, success, retained = look(target("Bound", {**TOLD, **RETAIN}), prime("Lost"))
    assert patch.annotations == {names.BOUND: "true", names.BOUND_MESSAGE: "", names.BOUND_REASON: ""}
    assert (success.type, success.reason, success.message) == (
        "Normal",
        "importSucceeded",
        "Successfully imported into disk",
    )
    assert (retained.type, retained.reason) == ("Normal", "RetainedPVCPrime")
    assert retained.message == "PVC Prime retained in Lost state for debugging purposes"


def test_a_claim_made_by_hand_is_populated_too():
    by_hand = noted(having(target(), metadata={"ownerReferences": None}), {names.USE_POPULATOR: None})
    assert len(look(by_hand)) == 3
