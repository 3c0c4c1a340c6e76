"""A claim that has to wait for its turn: what it says meanwhile, when it looks again, and how it leaves the queue."""

from datetime import timedelta

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Emit, PatchMeta, Wait
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.queue import is_queued
from cdi_operator.flows.transfer import Transfer
from cdi_operator.flows.transfer import noted as noted_on
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    CSI,
    NO_GATES,
    NS,
    PRIME,
    PRIME_KEY,
    SETTINGS,
    config,
    deleting,
    having,
    legacy,
    noted,
    pod,
    prime,
    running,
    target,
)
from tests.unit.world import NOW, World

IMPORTER = {"metadata": {"labels": {names.COMPONENT: names.COMPONENT_IMPORTER}}}
BUSY = having(pod("Running", running(), "other", "uid-other"), **IMPORTER, spec={"nodeName": "n1"})
LIMITED = noted(config(), {names.MAX_TRANSFERS: "1"})
PER_NODE = noted(config(), {names.MAX_TRANSFERS_PER_NODE: "1"})
TEXT = "waiting for one of 1 transfers to end, 0 before it"


def world_of(*objects, setting=LIMITED):
    return World(*CSI, setting, target(), *objects)


def look(world, now=NOW):
    return plan(observe(world, PRIME_KEY), SETTINGS, now)


def notes(world):
    return world.get("PersistentVolumeClaim", PRIME, NS)["metadata"]["annotations"]


def shown(world):
    return noted_on(observe(world, PRIME_KEY).claim)


def waits(**more):
    """The hidden claim as it waits."""
    world = world_of(prime("Bound"), BUSY)
    world.apply(look(world))
    return having(world.get("PersistentVolumeClaim", PRIME, NS), **more)


@pytest.mark.parametrize(
    ("claim", "others", "setting", "starts"),
    [
        (prime("Bound"), [], LIMITED, True),
        (prime("Bound"), [BUSY], LIMITED, False),
        (prime("Bound"), [BUSY], NO_GATES, True),
        (prime("Bound", {names.SELECTED_NODE: "n1"}), [BUSY], PER_NODE, False),
        (prime("Bound", {names.SELECTED_NODE: "n2"}), [BUSY], PER_NODE, True),
        (waits(), [], LIMITED, True),
        # the later stages of a warm import do not wait
        (prime("Bound", {names.CHECKPOINT_PREVIOUS: "one", names.CHECKPOINT_CURRENT: "two"}), [BUSY], LIMITED, True),
        (prime("Bound", {names.CHECKPOINT_PREVIOUS: "", names.CHECKPOINT_CURRENT: "one"}), [BUSY], LIMITED, False),
    ],
)
def test_when_it_starts(claim, others, setting, starts):
    actions = look(world_of(claim, *others, setting=setting))
    assert [type(each) for each in actions] == ([Create] if starts else [PatchMeta, Wait])


def test_what_it_says():
    world = world_of(prime("Bound"), BUSY)
    world.apply(look(world))
    assert {key: notes(world)[key] for key in (names.RUNNING, names.RUNNING_REASON, names.RUNNING_MESSAGE)} == {
        names.RUNNING: "false",
        names.RUNNING_REASON: "Queued",
        names.RUNNING_MESSAGE: TEXT,
    }
    assert shown(world) == Transfer("queued", message=TEXT, queue_position=1, as_of="2025-06-01T12:00:00Z")


def test_an_error_stays_in_sight():
    """Its pod was lost, and it has to wait for another turn."""
    failed = Transfer("", "raw", 7, 100, error="Transient", message="Evicted", hint="Wait.")
    world = world_of(prime("Bound", {names.TRANSFER: failed.text()}), BUSY)
    world.apply(look(world))
    found = shown(world)
    assert (found.stage, found.queue_position, found.source_bytes) == ("queued", 1, 7)
    assert (found.error, found.message, found.hint) == ("Transient", "Evicted", "Wait.")


def test_it_counts_its_place_anew_now_and_then():
    world = world_of(waits(), BUSY)
    assert look(world) == (Wait(10.0),)
    assert look(world, NOW + timedelta(seconds=4)) == (Wait(6.0),)
    assert look(world, NOW + timedelta(seconds=10)) == (Wait(10.0),), "and writes nothing that is the same"
    older = having(waits(), metadata={"name": "older", "uid": "uid-older", "creationTimestamp": "2025-06-01T10:00:00Z"})
    world.add(older)
    assert look(world, NOW + timedelta(seconds=4)) == (Wait(6.0),)
    world.apply(look(world, NOW + timedelta(seconds=10)))
    assert (shown(world).queue_position, shown(world).message) == (2, TEXT.replace("0 before", "1 before"))


@pytest.mark.parametrize("as_of", ["", "soon", "2025-06-01T12:00:00", "2999-01-01T00:00:00Z"])
def test_a_time_that_somebody_made_up(as_of):
    made_up = Transfer("queued", queue_position=5, as_of=as_of, message="x").text()
    world = world_of(prime("Bound", {names.TRANSFER: made_up}), BUSY)
    world.apply(look(world))
    assert shown(world).queue_position == 1


def test_out_of_the_queue_with_its_worker():
    world = world_of(waits())
    world.apply(look(world))
    assert world.get("Pod", f"importer-{PRIME}", NS)
    assert shown(world).queue_position == 1, "nothing is written for that alone"
    world.apply(look(world))
    assert shown(world) == Transfer()
    assert notes(world)[names.RUNNING_MESSAGE] == ""


def test_out_of_the_queue_because_it_cannot_start():
    lost_its_volume = waits(status={"phase": "Pending"})
    world = world_of(lost_its_volume, BUSY)
    world.apply(look(world))
    assert shown(world) == Transfer()
    assert names.RUNNING_MESSAGE not in notes(world)
    assert look(world) == ()


@pytest.mark.parametrize(
    "annotations",
    [
        {names.POD_PHASE: "Succeeded"},
        {names.FATAL_ERROR: "true"},
        # a stage that was copied, after which no other is listed
        {names.CHECKPOINT_CURRENT: "one", f"{names.CHECKPOINT_COPIED}.one": "uid", names.POD_PHASE: "Succeeded"},
    ],
)
def test_what_is_over_does_not_stay_in_the_queue(annotations):
    """Whoever wrote it there: nobody behind it would ever have a turn."""
    world = world_of(noted(waits(), annotations))
    world.apply(look(world))
    assert not is_queued(world.get("PersistentVolumeClaim", PRIME, NS))
    assert look(world) == ()


def test_a_quota_holds_up_nobody_else():
    world = world_of(waits())
    world.refusals["Pod", NS, f"importer-{PRIME}"] = Refusal(None, "Forbidden", "exceeded quota: q", NOW)
    actions = look(world)
    assert [type(each) for each in actions] == [PatchMeta, Emit, Create]
    world.apply(actions)
    assert shown(world) == Transfer()
    assert notes(world)[names.RUNNING_REASON] == "ErrExceededQuota"
    # but it needs a place like everybody
    world.add(BUSY)
    assert look(world) == (Wait(10.0),)


def test_a_claim_that_goes_leaves_the_queue():
    assert look(world_of(deleting(waits()), BUSY)) == ()


def test_a_claim_that_its_own_pod_binds_waits_too():
    unbound = legacy("Pending", {names.IMMEDIATE_BIND: ""})
    world = World(*CSI, LIMITED, having(CSI[0], volumeBindingMode="WaitForFirstConsumer"), unbound, BUSY)
    actions = plan(observe(world, (NS, unbound["metadata"]["name"])), SETTINGS, NOW)
    assert [type(each) for each in actions] == [PatchMeta, Wait]
