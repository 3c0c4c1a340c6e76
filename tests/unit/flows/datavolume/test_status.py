"""The rest of a DataVolume's status, and the events that tell of changes (spec 2.2, 2.4)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Emit, PatchStatus
from cdi_operator.flows.datavolume import observe, plan
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    HONOURS_WAIT,
    KEY,
    LOCAL,
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


def at(percent):
    return {names.POPULATOR_PROGRESS: percent}


def look(*objects, status=None, percent=None):
    world = World(*objects, data_volume(status=status))
    if percent is not None:
        world.percents[POD_UID] = percent
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
        (legacy("Bound", DONE), 45.0, {}, "100.0%"),
        (legacy("Bound"), None, {"progress": "100.0%", "phase": "Succeeded"}, "N/A"),
    ],
)
def test_progress_of_the_legacy_flow(claim, percent, before, wanted):
    worker = pod("Running", running(), NAME, CLAIM_UID)
    assert status_after(*LEGACY, claim, worker, status=before, percent=percent)["progress"] == wanted


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


def failing(message, reason="Error"):
    return {**AT_WORK, names.RUNNING: "false", names.RUNNING_REASON: reason, names.RUNNING_MESSAGE: message}


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
