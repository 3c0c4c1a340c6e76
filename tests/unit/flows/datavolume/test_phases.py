"""Where a DataVolume is, and the event that says so when it is new (spec 2.1 to 2.3, 2.5, 2.8)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Emit, PatchStatus
from cdi_operator.flows.datavolume import observe, plan
from tests.unit.flows.given import (
    BLANK,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NO_GATES,
    SETTINGS,
    data_volume,
    import_source,
    legacy,
    prime,
    target,
)
from tests.unit.world import NOW, World

PLACED = {names.SELECTED_NODE: "node-1"}
AT_ONCE = {names.IMMEDIATE_BIND: "false"}
WORKER = {names.IMPORT_POD_NAME: "importer-x"}
FATAL = {names.FATAL_ERROR: "true"}
LAST_STAGE = {names.CHECKPOINT_DONE: "true"}
POPULATOR = [*CSI, HONOURS_WAIT, import_source()]
WAITING = [*CSI_WAITS, HONOURS_WAIT, import_source()]


def at(phase):
    return {**WORKER, names.POD_PHASE: phase}


def in_stage(phase):
    return {**at(phase), names.CHECKPOINT_CURRENT: "one"}


def after(objects, before="", source=None):
    """The phase after one look, and the event that tells of it as (type, reason, message)."""
    volume = data_volume(source or import_source()["spec"]["source"], phase=before)
    world = World(*objects, volume)
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    status = next((action.status for action in actions if isinstance(action, PatchStatus)), {})
    of_phase = [
        (action.type, action.reason, action.message)
        for action in actions
        if isinstance(action, Emit) and action.reason not in ("Bound", "Pending", "ClaimLost", "Unknown")
    ]
    return status.get("phase", before), *(of_phase or [None])


SCHEDULED = ("Normal", "ImportScheduled", "Import into disk scheduled")
IN_PROGRESS = ("Normal", "ImportInProgress", "Import into disk in progress")
FAILED = ("Warning", "ImportFailed", "Failed to import into PVC disk")
SUCCEEDED = ("Normal", "ImportSucceeded", "Successfully imported into PVC disk")
PAUSED = ("Normal", "ImportPaused", "Multistage import into PVC disk is paused")
LOST = ("Warning", "ErrClaimLost", "PVC disk lost")


@pytest.mark.parametrize(
    ("claim", "hidden", "before", "phase", "event"),
    [
        # claim                         hidden claim                    before             phase, event
        (target(), None, "", "Pending", None),
        (target(), prime("Pending"), "", "Pending", None),
        (target(), prime("Bound"), "Pending", "Pending", None),
        (target(annotations=at("Pending")), prime("Bound", WORKER), "Pending", "ImportScheduled", SCHEDULED),
        (target(annotations=at("Pending")), prime("Pending", WORKER), "Pending", "Pending", None),
        (target(annotations=at("Pending")), prime("Bound", WORKER), "ImportScheduled", "ImportScheduled", None),
        (target(), prime("Bound", WORKER), "Pending", "ImportScheduled", None),
        # The target is told in a moment: scheduled now, the DataVolume would miss the event that says so.
        (target(), prime("Bound", at("Pending")), "Pending", "Pending", None),
        (target(), prime("Bound", at("Running")), "Pending", "Pending", None),
        (target(annotations=at("Running")), prime("Bound", WORKER), "ImportScheduled", "ImportInProgress", IN_PROGRESS),
        (target(annotations=at("Running")), prime("Bound", WORKER), "ImportInProgress", "ImportInProgress", None),
        (target(annotations=at("Failed")), prime("Bound", WORKER), "ImportInProgress", "ImportScheduled", FAILED),
        (target(annotations=at("Failed")), prime("Bound", WORKER), "ImportScheduled", "ImportScheduled", None),
        (target(annotations={**at("Failed"), **FATAL}), prime("Bound", WORKER), "ImportInProgress", "Failed", FAILED),
        (target(annotations={**at("Failed"), **FATAL}), prime("Bound", WORKER), "Failed", "Failed", None),
        # done, but the volume has not changed hands yet
        (target(annotations=at("Succeeded")), prime("Bound", WORKER), "ImportInProgress", "ImportInProgress", None),
        (target(annotations=at("Succeeded")), prime("Lost", WORKER), "ImportInProgress", "ImportInProgress", None),
        (target(annotations=at("Succeeded")), prime("Bound", WORKER), "", "ImportScheduled", None),
        (target("Bound", at("Succeeded")), prime("Lost", WORKER), "ImportInProgress", "Succeeded", SUCCEEDED),
        (target("Bound", at("Succeeded")), None, "ImportInProgress", "Succeeded", SUCCEEDED),
        (target("Bound", at("Succeeded")), None, "Succeeded", "Succeeded", None),
        # a stage is copied, and no other is listed
        (target(annotations=in_stage("Succeeded")), prime("Bound", WORKER), "ImportInProgress", "Paused", PAUSED),
        (target(annotations=in_stage("Succeeded")), prime("Bound", WORKER), "Paused", "Paused", None),
        (target(annotations=in_stage("Unknown")), prime("Bound"), "Paused", "Paused", None),
        (target(annotations=in_stage("Unknown")), prime("Bound"), "ImportInProgress", "ImportInProgress", None),
        (target(annotations=in_stage("Pending")), prime("Bound", WORKER), "Paused", "ImportScheduled", SCHEDULED),
        (target("Bound", {**at("Succeeded"), **LAST_STAGE}), None, "ImportInProgress", "Succeeded", SUCCEEDED),
        (target("Bound", {**at("Succeeded"), **LAST_STAGE}), None, "Paused", "Succeeded", SUCCEEDED),
        # a volume made by hand was bound: nobody fills it
        (target("Bound"), None, "Pending", "PVCBound", None),
        (target("Lost", at("Succeeded")), None, "Succeeded", "Failed", LOST),
        (target("Lost"), None, "Failed", "Failed", None),
        (target("Odd"), None, "Pending", "Unknown", None),
        # its consumer has a node by now: until there is a worker, the phase is left alone
        (target(annotations=PLACED), None, "PendingPopulation", "PendingPopulation", None),
        (target(annotations=PLACED), prime("Bound"), "PendingPopulation", "PendingPopulation", None),
        (target(annotations=PLACED), prime("Bound", WORKER), "PendingPopulation", "ImportScheduled", None),
        # the work begins anew: somebody deleted the claim of a DataVolume that was done, or the hidden claim
        (target(), None, "Succeeded", "Pending", None),
        (target(), None, "Failed", "Pending", None),
        (target(annotations=at("Running")), None, "ImportInProgress", "ImportInProgress", None),
        (target(annotations=at("Running")), prime("Pending"), "ImportInProgress", "ImportInProgress", None),
    ],
)
def test_populator(claim, hidden, before, phase, event):
    assert after([*POPULATOR, claim, *([hidden] if hidden else [])], before) == (phase, event)


@pytest.mark.parametrize(
    ("claim", "before", "phase", "event"),
    [
        (legacy(), "", "Pending", None),
        (legacy(), "Pending", "Pending", None),
        (legacy("Bound"), "Pending", "PVCBound", None),
        (legacy("Bound"), "", "PVCBound", None),
        (legacy("Bound"), "Unknown", "PVCBound", None),
        (legacy("Bound"), "WaitForFirstConsumer", "PVCBound", None),
        (legacy("Bound"), "PVCBound", "PVCBound", None),
        (legacy("Bound", WORKER), "PVCBound", "ImportScheduled", None),
        (legacy("Bound", at("Pending")), "PVCBound", "ImportScheduled", SCHEDULED),
        (legacy("Bound", at("Running")), "ImportScheduled", "ImportInProgress", IN_PROGRESS),
        (legacy("Bound", at("Running")), "PVCBound", "ImportInProgress", IN_PROGRESS),
        (legacy("Bound", at("Failed")), "ImportInProgress", "ImportScheduled", FAILED),
        (legacy("Bound", {**at("Failed"), **FATAL}), "ImportInProgress", "Failed", FAILED),
        (legacy("Bound", at("Succeeded")), "ImportInProgress", "Succeeded", SUCCEEDED),
        (legacy("Bound", at("Succeeded")), "", "Succeeded", SUCCEEDED),
        (legacy("Bound", in_stage("Succeeded")), "ImportInProgress", "Paused", PAUSED),
        (legacy("Bound", {**in_stage("Unknown"), names.IMPORT_POD_NAME: None}), "Paused", "Paused", None),
        (legacy("Bound", in_stage("Running")), "Paused", "ImportInProgress", IN_PROGRESS),
        (legacy("Bound", {**at("Succeeded"), **LAST_STAGE}), "ImportInProgress", "Succeeded", SUCCEEDED),
        (legacy("Pending", WORKER), "Pending", "Pending", None),
        (legacy("Lost", at("Running")), "ImportInProgress", "Failed", LOST),
        (legacy("Odd"), "Pending", "Unknown", None),
        # the work begins anew
        (legacy(), "Succeeded", "Pending", None),
        (legacy("Bound"), "Succeeded", "PVCBound", None),
        (legacy("Bound"), "Failed", "PVCBound", None),
    ],
)
def test_legacy(claim, before, phase, event):
    assert after([*LOCAL, HONOURS_WAIT, claim], before) == (phase, event)


@pytest.mark.parametrize(
    ("storage", "gates", "claim", "phase"),
    [
        # class      gates         claim                                 while nobody uses it
        (CSI_WAITS, HONOURS_WAIT, target(), "PendingPopulation"),
        (CSI_WAITS, HONOURS_WAIT, target(annotations=PLACED), "Pending"),
        (CSI_WAITS, HONOURS_WAIT, target(annotations=AT_ONCE), "Pending"),
        (CSI_WAITS, NO_GATES, target(annotations=AT_ONCE), "Pending"),
        (CSI_WAITS, HONOURS_WAIT, target("Bound"), "PVCBound"),
        (CSI, HONOURS_WAIT, target(), "Pending"),
        (LOCAL_WAITS, HONOURS_WAIT, legacy(), "WaitForFirstConsumer"),
        (LOCAL_WAITS, HONOURS_WAIT, legacy(annotations=PLACED), "WaitForFirstConsumer"),
        (LOCAL_WAITS, HONOURS_WAIT, legacy(annotations=AT_ONCE), "Pending"),
        (LOCAL_WAITS, NO_GATES, legacy(), "Pending"),
        (LOCAL_WAITS, HONOURS_WAIT, legacy("Bound"), "PVCBound"),
        (LOCAL, HONOURS_WAIT, legacy(), "Pending"),
        ((), HONOURS_WAIT, legacy(), "Pending"),
    ],
)
def test_waiting_for_the_first_consumer(storage, gates, claim, phase):
    assert after([*storage, gates, import_source(), claim]) == (phase, None)


def test_a_blank_disk_goes_the_same_way():
    assert after([*LOCAL, legacy("Bound", at("Running"))], "PVCBound", BLANK) == ("ImportInProgress", IN_PROGRESS)


def test_the_claim_says_which_flow_it_is_in():
    """Not the class, which may have got a driver since, nor a DataVolume whose annotation was edited away."""
    assert after([*CSI_WAITS, HONOURS_WAIT, legacy()]) == ("WaitForFirstConsumer", None)
    assert after([*LOCAL_WAITS, HONOURS_WAIT, import_source(), target()]) == ("PendingPopulation", None)
