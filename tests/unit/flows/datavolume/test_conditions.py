"""Bound, Ready and Running: their words and their times (spec 2.4; literal texts 1.2); and Failing, which is ours."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import PatchStatus
from cdi_operator.flows.datavolume import observe, plan
from cdi_operator.flows.transfer import Transfer
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    MADE_AT,
    PRIME,
    SETTINGS,
    condition,
    data_volume,
    event,
    import_source,
    legacy,
    noted,
    prime,
    target,
)
from tests.unit.world import NOW, World

STORAGE = "cdi.kubevirt.io/storage"
PROBLEM = f"[{PRIME}] : failed to provision volume"
NO_PULL = "failed to pull image: importer:1"
BOUND = condition("Bound", "True", "Bound", "PVC disk Bound")
PENDING = condition("Bound", "False", "Pending", "PVC disk Pending")
IDLE = condition("Ready", "False")
RUNNING = condition("Running", "True", "Pod is running")
UNKNOWN = condition("Running", "Unknown")
AT_WORK = {names.IMPORT_POD_NAME: "importer-x", names.POD_PHASE: "Running"}
DONE = {names.IMPORT_POD_NAME: "importer-x", names.POD_PHASE: "Succeeded"}
NOW_TEXT = "2025-06-01T12:00:00Z"


def running(value, reason="", message=""):
    return {names.RUNNING: value, names.RUNNING_REASON: reason, names.RUNNING_MESSAGE: message}


def not_bound(reason, message):
    return {names.BOUND: "false", names.BOUND_REASON: reason, names.BOUND_MESSAGE: message}


def after(*objects, phase="", conditions=()):
    """The conditions after one look, by type."""
    volume = data_volume(phase=phase, status={"conditions": list(conditions)})
    if not objects:
        volume = noted(volume, {names.PRE_POPULATED: "disk"})
    world = World(*CSI, HONOURS_WAIT, import_source(), volume, *objects)
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    shown = next((action.status for action in actions if isinstance(action, PatchStatus)), {})
    return {each["type"]: each for each in shown.get("conditions", conditions)}


def words(shown):
    return shown["status"], shown.get("reason", ""), shown.get("message", "")


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([target()], ("False", "Pending", "PVC disk Pending")),
        ([target("Bound")], ("True", "Bound", "PVC disk Bound")),
        ([target("Bound", not_bound("Pending", PROBLEM))], ("True", "Bound", "PVC disk Bound")),
        ([target("Lost")], ("False", "ClaimLost", "Claim Lost")),
        (
            [target(annotations=not_bound("Pending", "[prime-1] : no"))],
            ("False", "Pending", "target PVC disk Pending and [prime-1] : no"),
        ),
        (
            [target(annotations=not_bound("ErrExceededQuota", "exceeded quota: q"))],
            ("False", "ErrExceededQuota", "target PVC disk Pending and exceeded quota: q"),
        ),
        ([legacy()], ("False", "Pending", "PVC disk Pending")),
        ([legacy("Bound", not_bound("AwaitingVDDK", "waiting for it"))], ("False", "AwaitingVDDK", "waiting for it")),
        (
            [legacy(), event("ProvisioningFailed", "no space", CLAIM_UID, "Warning")],
            ("False", "Pending", "target PVC disk Pending and no space"),
        ),
        (
            [legacy(), event("WaitForFirstConsumer", "waiting", CLAIM_UID)],
            ("False", "Pending", "target PVC disk Pending and waiting"),
        ),
        (
            [legacy(), event("A", "first", CLAIM_UID), event("B", "last", CLAIM_UID, at="2025-06-01T11:00:01Z")],
            ("False", "Pending", "target PVC disk Pending and last"),
        ),
        # populator: what is said of a claim that is pending all the time is no news, unless it is a warning
        ([target(), event("ExternalProvisioning", "waiting", CLAIM_UID)], ("False", "Pending", "PVC disk Pending")),
        (
            [target(), event("ProvisioningFailed", "no space", CLAIM_UID, "Warning")],
            ("False", "Pending", "target PVC disk Pending and no space"),
        ),
        # a worker that lacks something while its claim is bound, in the legacy flow
        ([legacy("Bound", not_bound("AwaitingVDDK", "waiting"))], ("False", "AwaitingVDDK", "waiting")),
        ([legacy("Bound", {names.BOUND: "true"})], ("True", "Bound", "PVC disk Bound")),
        ([legacy("Odd")], ("Unknown", "Unknown", "PVC phase unknown")),
        ([], ("False", "NotFound", "No PVC found")),
        ([legacy("Bound"), event("Old", "no space", CLAIM_UID, "Warning")], ("True", "Bound", "PVC disk Bound")),
    ],
)
def test_bound(objects, wanted):
    assert words(after(*objects)["Bound"]) == wanted


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        (legacy("Bound", {**DONE, **running("false", "Completed")}), ("True", "", "")),
        (legacy("Bound", {**AT_WORK, **running("true", "Pod is running")}), ("False", "TransferRunning", "")),
        (legacy("Bound", {**AT_WORK, **running("false", "Error", "no route")}), ("False", "", "")),
        (legacy("Pending"), ("False", "", "")),
        (legacy("Lost"), ("False", "", "")),
        (legacy("Odd"), ("Unknown", "", "")),
    ],
)
def test_ready(claim, wanted):
    assert words(after(claim)["Ready"]) == wanted


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        (running("true", "Pod is running"), ("True", "Pod is running", "")),
        (running("false", "Completed", "Import Complete"), ("False", "Completed", "Import Complete")),
        (running("false", "Error", "no route"), ("False", "Error", "no route")),
        (running("false", "ImagePullFailed", NO_PULL), ("False", "ImagePullFailed", NO_PULL)),
        (running("false", "ContainerCreating"), ("False", "ContainerCreating", "")),
        (running("maybe", "Why", "what"), ("Unknown", "Why", "what")),
        ({}, ("Unknown", "", "")),
    ],
)
def test_running(annotations, wanted):
    assert words(after(target(annotations=annotations), prime())["Running"]) == wanted


NOT_THERE = Transfer(message="got 404", hint="Check the URL.", error="Permanent")
RESET = Transfer("transfer", message="reset by peer", error="Transient", source_bytes=7)


def told(transfer, **rest):
    return {names.TRANSFER: transfer.text(), **rest}


@pytest.mark.parametrize(
    ("annotations", "running_now", "failing"),
    [
        # the words of the reference come first, our hint behind them; while it is tried again both stay in Failing
        (
            {**running("false", "Error", "got 404"), **told(NOT_THERE)},
            ("False", "Error", "got 404. Check the URL."),
            ("True", "PermanentError", "got 404. Check the URL."),
        ),
        (
            {**running("true", "Pod is running"), **told(NOT_THERE)},
            ("True", "Pod is running", ""),
            ("True", "PermanentError", "got 404. Check the URL."),
        ),
        (
            {**running("false", "Error", "reset by peer"), **told(RESET)},
            ("False", "Error", "reset by peer"),
            ("True", "TransientError", "reset by peer"),
        ),
        ({**running("true", "Pod is running"), **told(Transfer("transfer"))}, ("True", "Pod is running", ""), None),
        (
            {**running("false", "Completed", "Import Complete"), **told(Transfer("done"))},
            ("False", "Completed", "Import Complete"),
            None,
        ),
    ],
)
@pytest.mark.parametrize("claim", [legacy, target], ids=["legacy", "populator"])
def test_failing(claim, annotations, running_now, failing):
    shown = after(claim("Bound", {**AT_WORK, **annotations}), prime())
    assert words(shown["Running"]) == running_now
    assert (words(shown["Failing"]) if "Failing" in shown else None) == failing


def test_failing_ends():
    before = [PENDING, IDLE, RUNNING, condition("Failing", "True", "TransientError", "reset")]
    assert set(after(target("Bound", {**AT_WORK, **told(Transfer("done"))}), conditions=before)) == {
        "Bound",
        "Ready",
        "Running",
    }


@pytest.mark.parametrize(
    ("before", "shown", "transition", "heartbeat"),
    [
        # before               now                   time of status   time of words
        (None, target("Bound"), NOW_TEXT, NOW_TEXT),
        (PENDING, target("Bound"), NOW_TEXT, NOW_TEXT),
        (PENDING, target(annotations=not_bound("Pending", PROBLEM)), MADE_AT, NOW_TEXT),
        (BOUND, target("Bound"), MADE_AT, MADE_AT),
        ({key: BOUND[key] for key in ("type", "status", "reason", "message")}, target("Bound"), NOW_TEXT, NOW_TEXT),
    ],
)
def test_times(before, shown, transition, heartbeat):
    bound = after(shown, conditions=[before] if before else ())["Bound"]
    assert (bound["lastTransitionTime"], bound["lastHeartbeatTime"]) == (transition, heartbeat)


def test_each_condition_has_its_own_times():
    found = target("Bound", {**AT_WORK, **running("true", "Pod is running")})
    shown = after(found, phase="PVCBound", conditions=[PENDING, IDLE, RUNNING])
    assert [shown[kind]["lastTransitionTime"] for kind in ("Bound", "Ready", "Running")] == [NOW_TEXT, MADE_AT, MADE_AT]
    assert [shown[kind]["lastHeartbeatTime"] for kind in ("Bound", "Ready", "Running")] == [NOW_TEXT, NOW_TEXT, MADE_AT]


def test_an_empty_reason_is_left_out():
    """Clients compare it with the empty string; the API server drops it anyway."""
    assert after(legacy("Bound", DONE))["Ready"].keys() == {"type", "status", "lastHeartbeatTime", "lastTransitionTime"}


def test_what_is_there_is_not_written_again():
    world = World(
        *LOCAL, HONOURS_WAIT, data_volume(), legacy("Bound", {**AT_WORK, **running("true", "Pod is running")})
    )
    first = plan(observe(world, KEY), SETTINGS, NOW)
    world.apply(first)
    assert PatchStatus in map(type, first)
    assert plan(observe(world, KEY), SETTINGS, NOW.replace(year=2026)) == ()
