"""The rest of a DataVolume's status, and the events that tell of changes (spec 2.2, 2.4)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Emit, PatchStatus
from cdi_operator.flows.datavolume import observe, plan
from cdi_operator.flows.transfer import Reading, Transfer
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NAME,
    NS,
    POD_UID,
    PRIME,
    SETTINGS,
    data_volume,
    having,
    import_source,
    legacy,
    noted,
    pod,
    prime,
    running,
    target,
)
from tests.unit.world import NOW, World

WORKER = {names.IMPORT_POD_NAME: "importer-x"}
DONE = {**WORKER, names.POD_PHASE: "Succeeded"}
AT_WORK = {**WORKER, names.POD_PHASE: "Running"}
POPULATOR = [*CSI, HONOURS_WAIT, import_source()]
LEGACY = [*LOCAL, HONOURS_WAIT]


def failing(message, reason="Error"):
    return {**AT_WORK, names.RUNNING: "false", names.RUNNING_REASON: reason, names.RUNNING_MESSAGE: message}


def at(percent):
    return {names.POPULATOR_PROGRESS: percent}


def look(*objects, status=None, percent=None):
    world = World(*objects, data_volume(status=status))
    if percent is not None:
        world.readings[POD_UID] = Reading(percent)
    return world, plan(observe(world, KEY), SETTINGS, NOW)


def status_after(*objects, **given):
    world, actions = look(*objects, **given)
    world.apply(actions)
    return world.get("DataVolume", NAME, NS)["status"]


@pytest.mark.parametrize(
    ("claim", "before", "wanted"),
    [
        # claim                          shown before   shown now
        (target(), {}, "N/A"),
        (target(annotations=at("45.00%")), {}, "45.00%"),
        (target(annotations=at("46.10%")), {"progress": "45.00%"}, "46.10%"),
        (target(), {"progress": "45.00%"}, "45.00%"),
        (target(annotations=at("100.0%")), {"progress": "45.00%"}, "45.00%"),
        (target("Bound", {**DONE, **at("100.0%")}), {"progress": "45.00%"}, "100.0%"),
        # the work begins anew
        (target(), {"progress": "100.0%", "phase": "Succeeded"}, "N/A"),
    ],
)
def test_progress_of_the_populator(claim, before, wanted):
    assert status_after(*POPULATOR, claim, prime(annotations=AT_WORK), status=before)["progress"] == wanted


@pytest.mark.parametrize(
    ("claim", "percent", "before", "wanted"),
    [
        (legacy(), None, {}, "N/A"),
        (legacy("Bound", AT_WORK), 45.0, {}, "45.00%"),
        (legacy("Bound", AT_WORK), 0.0, {}, "0.00%"),
        (legacy("Bound", AT_WORK), None, {"progress": "45.00%"}, "45.00%"),
        (legacy("Bound", AT_WORK), 100.0, {"progress": "45.00%"}, "45.00%"),
        (legacy("Bound", AT_WORK), 99.999, {"progress": "45.00%"}, "45.00%"),
        # a worker that begins again takes nothing back, unless there was nothing more to do
        (legacy("Bound", AT_WORK), 3.0, {"progress": "45.00%"}, "45.00%"),
        (legacy("Bound", AT_WORK), 3.0, {"progress": "99.90%", "transfer": {"stage": "done"}}, "3.00%"),
        (legacy("Bound", DONE), 45.0, {}, "100.0%"),
        (legacy("Bound"), None, {"progress": "100.0%", "phase": "Succeeded"}, "N/A"),
    ],
)
def test_progress_of_the_legacy_flow(claim, percent, before, wanted):
    worker = pod("Running", running(), NAME, CLAIM_UID)
    assert status_after(*LEGACY, claim, worker, status=before, percent=percent)["progress"] == wanted


# status.transfer ----------------------------------------------------------------------------------------------------

MOVING = Transfer(
    "transfer",
    "qcow2",
    45_000_000,
    100_000_000,
    speed_bytes_per_second=12_345_678,
    eta_seconds=80,
    message="transferring",
)
SHOWN = {
    "stage": "transfer",
    "format": "qcow2",
    "sourceBytes": 45_000_000,
    "totalBytes": 100_000_000,
    "speedBytesPerSecond": 12_345_678,
    "speed": "12.3 MB/s",
    "etaSeconds": 80,
    "eta": "1m20s",
    "message": "transferring",
}
FAILED = Transfer("", "raw", 7, error="Permanent", message="got 404", hint="Check the URL.")
QUEUED = Transfer("queued", queue_position=4, as_of="2025-06-01T11:00:00Z", message="waiting for one of 3, 3 before it")
WAITS = {
    names.RUNNING: "false",
    names.RUNNING_REASON: "Queued",
    names.RUNNING_MESSAGE: "waiting for one of 3, 3 before it",
}


def noted_as(transfer, **rest):
    return {**rest, names.TRANSFER: transfer.text()}


def transfer_after(*objects, **given):
    return status_after(*objects, **given).get("transfer")


@pytest.mark.parametrize(
    ("annotations", "before", "wanted"),
    [
        ({**AT_WORK, names.TRANSFER: MOVING.text()}, {}, SHOWN),
        # what is not so any more is taken away
        ({**AT_WORK, names.TRANSFER: Transfer("sync").text()}, SHOWN, {"stage": "sync", "message": "transferring"}),
        (
            {**AT_WORK, names.RUNNING: "true", names.TRANSFER: FAILED.text()},
            {},
            {"format": "raw", "sourceBytes": 7, "error": "Permanent", "message": "got 404", "hint": "Check the URL."},
        ),
        (
            {**WAITS, names.TRANSFER: QUEUED.text()},
            {},
            {"stage": "queued", "queuePosition": 4, "message": "waiting for one of 3, 3 before it"},
        ),
    ],
)
def test_transfer_of_the_populator(annotations, before, wanted):
    claims = target(annotations=annotations), prime(annotations=WORKER)
    assert transfer_after(*POPULATOR, *claims, status={"transfer": before}) == wanted


@pytest.mark.parametrize(
    ("claim", "told", "before", "wanted"),
    [
        (legacy("Bound", AT_WORK), MOVING, {}, SHOWN),
        # the worker is asked anew only every two seconds: what it said stays, but for the speed
        (
            legacy("Bound", AT_WORK),
            None,
            SHOWN,
            {"format": "qcow2", "sourceBytes": 45_000_000, "totalBytes": 100_000_000, "message": "transferring"},
        ),
        (legacy("Bound", {**DONE, names.TRANSFER: Transfer("done").text()}), None, {}, {"stage": "done"}),
    ],
)
def test_transfer_of_the_legacy_flow(claim, told, before, wanted):
    worker = pod("Running", running(), NAME, CLAIM_UID)
    world = World(*LEGACY, claim, worker, data_volume(status={"transfer": before}))
    if told:
        world.readings[POD_UID] = Reading(45.0, told)
    world.apply(plan(observe(world, KEY), SETTINGS, NOW))
    assert world.get("DataVolume", NAME, NS)["status"]["transfer"] == wanted


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([*POPULATOR, target()], "PVC disk Pending"),
        ([*CSI_WAITS, HONOURS_WAIT, import_source(), target()], "waiting for a pod that uses the claim"),
        ([*LOCAL_WAITS, HONOURS_WAIT, legacy()], "waiting for a pod that uses the claim"),
        ([*LEGACY, legacy("Bound", WORKER)], "starting the worker"),
        ([*LEGACY, legacy("Bound", AT_WORK)], "transferring"),
        ([*LEGACY, legacy("Bound", failing("no node"))], "no node"),
        ([*LEGACY, legacy("Bound", DONE)], None),
        (
            [*POPULATOR, target(annotations=noted_as(Transfer("done"), **AT_WORK)), prime(annotations=WORKER)],
            "handing the volume over",
        ),
    ],
)
def test_what_goes_on_in_one_sentence(objects, wanted):
    assert (transfer_after(*objects) or {}).get("message") == wanted


def test_who_waits_for_his_turn_is_told_so_once():
    waiting = [*LEGACY, legacy("Bound", noted_as(QUEUED, **WAITS))]
    status = status_of(*LEGACY, legacy("Bound"))
    assert events(*waiting, status=status) == [("Normal", "Queued", "waiting for one of 3, 3 before it")]
    closer = {**WAITS, names.RUNNING_MESSAGE: "waiting for one of 3, 2 before it"}
    assert events(*LEGACY, legacy("Bound", noted_as(QUEUED, **closer)), status=status_of(*waiting)) == []


@pytest.mark.parametrize(
    ("counted", "before", "wanted"),
    [("0", 0, 0), ("3", 0, 3), ("3", 5, 5), ("7", 5, 7), ("many", 2, 2), (None, 2, 2)],
)
def test_restart_count_only_grows(counted, before, wanted):
    claim = target(annotations={names.POD_RESTARTS: counted})
    shown = status_after(*POPULATOR, claim, status={"restartCount": before} if before else {})
    assert shown.get("restartCount", 0) == wanted


def test_claim_name():
    assert status_after(*POPULATOR, target())["claimName"] == NAME


# A claim of that name that is somebody else's -----------------------------------------------------------------------

STRANGER = noted(
    having(legacy("Bound"), metadata={"ownerReferences": None}), {names.POD_RESTARTS: "9", names.RUNNING: "true"}
)


def test_nothing_of_a_strangers_claim_is_shown_as_ours():
    before = {"claimName": NAME, "phase": "Pending"}
    shown = status_after(*LEGACY, STRANGER, pod("Running", running(), NAME, CLAIM_UID), status=before, percent=45.0)
    bound, ready, worker = shown.pop("conditions")
    assert (shown["phase"], shown["progress"]) == ("Pending", "N/A")
    assert "claimName" not in shown
    assert "restartCount" not in shown or shown["restartCount"] == 0
    assert (bound["status"], bound["reason"]) == ("False", "ErrResourceExists")
    assert bound["message"] == 'Resource "disk" already exists and is not managed by DataVolume'
    assert (ready["status"], worker["status"]) == ("False", "False")


# Events -------------------------------------------------------------------------------------------------------------


def events(*objects, status=None):
    _, actions = look(*objects, status=status)
    return [(each.type, each.reason, each.message) for each in actions if isinstance(each, Emit)]


def status_of(*objects):
    """Of a DataVolume that was looked at before."""
    return status_after(*objects)


def working(claim, annotations):
    return (
        [*LEGACY, claim("Bound", annotations)]
        if claim is legacy
        else [*POPULATOR, claim("Pending", annotations), prime(annotations=WORKER)]
    )


ALIVE = {**AT_WORK, names.RUNNING: "true", names.RUNNING_REASON: "Pod is running", names.RUNNING_MESSAGE: ""}


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [
        ([*LEGACY], [legacy()], [("Normal", "Pending", "PVC disk Pending")]),
        ([*LEGACY, legacy()], [legacy("Bound")], [("Normal", "Bound", "PVC disk Bound")]),
        ([*LEGACY, legacy("Bound")], [legacy("Bound")], []),
        (
            [*LEGACY, legacy("Bound", AT_WORK)],
            [legacy("Lost", AT_WORK)],
            [("Normal", "ClaimLost", "Claim Lost"), ("Warning", "ErrClaimLost", "PVC disk lost")],
        ),
    ],
)
def test_changes_of_bound(before, now, wanted):
    status = status_of(*before) if len(before) > len(LEGACY) else None
    assert events(*LEGACY, *now, status=status) == wanted


@pytest.mark.parametrize("claim", [legacy, target], ids=["legacy", "populator"])
@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (ALIVE, failing("no route"), True),
        (failing("no route"), failing("404"), True),
        (failing("no route"), failing("no route"), False),
        (failing("no route"), ALIVE, False),
        (ALIVE, failing("", "ContainerCreating"), False),
        (ALIVE, failing("scratch space required and none found", "Scratch space required"), False),
        (ALIVE, failing("Import Complete", "Completed"), False),
    ],
)
def test_what_the_worker_says_is_told_when_it_is_new(claim, before, now, told):
    status = status_of(*working(claim, before))
    message = now[names.RUNNING_MESSAGE]
    warnings = [("Warning", now[names.RUNNING_REASON], message)] if told else []
    assert events(*working(claim, now), status=status) == warnings


def test_events_come_from_the_controller_that_clients_know():
    _, actions = look(*LEGACY, legacy("Bound"))
    (event,) = [each for each in actions if isinstance(each, Emit)]
    assert (event.ref.kind, event.ref.name, event.component) == ("DataVolume", NAME, "datavolume-import-controller")


def test_the_status_is_written_before_it_is_told():
    _, actions = look(*LEGACY, legacy("Bound", AT_WORK))
    assert [type(each) for each in actions] == [PatchStatus, Emit, Emit]


def test_a_problem_of_the_hidden_claim_is_told_as_a_change_of_bound():
    message = f"[{PRIME}] : no space"
    claim = target(annotations={names.BOUND: "false", names.BOUND_REASON: "Pending", names.BOUND_MESSAGE: message})
    status = status_of(*POPULATOR, target())
    assert events(*POPULATOR, claim, status=status) == [("Normal", "Pending", f"target PVC disk Pending and {message}")]
