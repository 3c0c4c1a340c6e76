"""A warm import, checkpoint after checkpoint: what is noted on the claim, and which pods come and go (spec 2.7)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.cluster.errors import Stale
from cdi_operator.flows.actions import Create, Delete, PatchMeta
from cdi_operator.flows.importer import observe, plan
from importer_image.job import Job
from tests.unit.flows.given import (
    CSI,
    HONOURS_WAIT,
    HTTP,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NAME,
    NS,
    POD_UID,
    PRIME,
    PRIME_KEY,
    SETTINGS,
    data_volume,
    deleting,
    having,
    import_source,
    legacy,
    listing,
    pod,
    prime,
    report,
    running,
    target,
    terminated,
)
from tests.unit.flows.simulation import ApiServer, Controller, run
from tests.unit.world import NOW, World

DONE = terminated(message=report())
RETAIN = {names.POD_RETAIN: "true"}
OVER = {"checkpoint.done": "true", "pod.phase": "Succeeded"}
GONE = dict.fromkeys(("checkpoint.current", "checkpoint.previous", "checkpoint.final", "checkpoint.pod.id"))


def at(previous, current, final=False, copied=(), **more):
    """Annotations of a claim that is in that stage; `copied`: checkpoint and uid of the pod."""
    return {
        names.CHECKPOINT_PREVIOUS: previous,
        names.CHECKPOINT_CURRENT: current,
        names.CHECKPOINT_FINAL: "true" if final else "false",
        **{f"{names.CHECKPOINT_COPIED}.{checkpoint}": uid for checkpoint, uid in copied},
        **more,
    }


def stage_pod(checkpoint, phase="Running", container=None, uid=POD_UID):
    container = container or (running() if phase == "Running" else DONE)
    made = pod(phase, container)
    return having(made, metadata={"name": f"{made['metadata']['name']}-checkpoint-{checkpoint}", "uid": uid})


ONE = at("", "one")
ONE_COPIED = at("", "one", copied=[("one", "uid-1")], **{names.POD_PHASE: "Succeeded"})
TWO = at("one", "two", copied=[("one", "uid-1")])
LAST = at("one", "two", True, copied=[("one", "uid-1")])


def given(notes, stages, *pods):
    """A bound hidden claim with those notes; a VolumeImportSource with that list, None for none."""
    source = () if stages is None else (import_source(HTTP, targetClaim=NAME, **stages),)
    return World(*CSI, HONOURS_WAIT, target(), prime("Bound", notes), *source, *pods)


def look(world, key=PRIME_KEY):
    return plan(observe(world, key), SETTINGS, NOW)


def summary(actions):
    """Which pods are made and deleted, and what is noted, in short."""
    said = []
    for action in actions:
        match action:
            case Create(obj):
                said.append(f"+{obj['metadata']['name'].removeprefix(f'importer-{PRIME}')}")
            case Delete(ref):
                said.append(f"-{ref.name.removeprefix(f'importer-{PRIME}')}")
            case PatchMeta():
                said.append("note")
    return said


@pytest.mark.parametrize(
    ("notes", "stages", "pods", "wanted"),
    [
        # noted      list                              pods                           what is done
        (ONE, listing("one"), [], ["+-checkpoint-one"]),
        (ONE, listing("one", "two"), [], ["+-checkpoint-one"]),
        (ONE, None, [], ["+-checkpoint-one"]),
        ({}, listing("one"), [], ["note"]),
        (TWO, listing("one", "two"), [], ["+-checkpoint-two"]),
        # its pod is done
        (ONE, listing("one"), [stage_pod("one", "Succeeded")], ["note"]),
        (ONE, listing("one", "two"), [stage_pod("one", "Succeeded")], ["note"]),
        (LAST, listing("one", "two", final=True), [stage_pod("two", "Succeeded")], ["note"]),
        # paused: nothing but that the pod goes
        (ONE_COPIED, listing("one"), [stage_pod("one", "Succeeded")], ["--checkpoint-one"]),
        (ONE_COPIED, listing("one"), [], []),
        (ONE_COPIED, None, [], []),
        ({**ONE_COPIED, **RETAIN}, listing("one"), [stage_pod("one", "Succeeded")], []),
        # another stage is listed, or that there is none
        (ONE_COPIED, listing("one", "two"), [], ["note"]),
        (ONE_COPIED, listing("one", final=True), [], ["note"]),
        # the pod of the stage before is there still
        (TWO, listing("one", "two"), [stage_pod("one", "Succeeded")], ["--checkpoint-one", "+-checkpoint-two"]),
        ({**TWO, **RETAIN}, listing("one", "two"), [stage_pod("one", "Succeeded")], ["+-checkpoint-two"]),
        # it must not write any more, so the next one waits for its end
        (TWO, listing("one", "two"), [stage_pod("one")], ["--checkpoint-one"]),
        ({**TWO, **RETAIN}, listing("one", "two"), [stage_pod("one")], ["--checkpoint-one"]),
        (TWO, listing("one", "two"), [deleting(stage_pod("one"), "f")], []),
        # a pod counts once
        (TWO, listing("one", "two"), [stage_pod("two", "Succeeded", uid="uid-1")], ["--checkpoint-two"]),
        # over: all pods go
        ({names.CHECKPOINT_DONE: "true", names.POD_PHASE: "Succeeded"}, listing("one", final=True),
         [stage_pod("one", "Succeeded")], ["--checkpoint-one"]),
        # what began as a plain import ends as one
        ({names.IMPORT_POD_NAME: "importer-x"}, listing("one"), [], ["+"]),
    ],
)  # fmt: skip
def test_what_is_done(notes, stages, pods, wanted):
    assert summary(look(given(notes, stages, *pods))) == wanted


@pytest.mark.parametrize(
    ("notes", "stages", "wanted"),
    [
        # the pod of the current stage has just succeeded
        (ONE, listing("one"), {"checkpoint.copied.one": POD_UID, "pod.phase": "Succeeded"}),
        (ONE, listing("one"), {"checkpoint.current": "one", "checkpoint.done": None}),
        (
            ONE,
            listing("one", "two"),
            {"checkpoint.copied.one": POD_UID, "checkpoint.previous": "one", "checkpoint.current": "two",
             "checkpoint.final": "false", "pod.phase": "Unknown", "import.importPodName": None},
        ),
        (ONE, listing("one", "two", final=True), {"checkpoint.current": "two", "checkpoint.final": "true"}),
        (ONE, listing("one", "two", "three", final=True), {"checkpoint.current": "two", "checkpoint.final": "false"}),
        (at("", "one", True), listing("one", final=True), {**OVER, **GONE, "checkpoint.copied.one": None}),
        (LAST, listing("one", "two", final=True), {**OVER, **GONE, "checkpoint.copied.one": None}),
        (LAST, listing("one", "two", final=True), {"checkpoint.copied.two": None, "condition.running": "false"}),
        # the list counts, not what it was when the stage began
        (TWO, listing("one", "two", final=True), OVER),
        (LAST, listing("one", "two"), {"checkpoint.copied.two": POD_UID, "checkpoint.done": None}),
        (LAST, listing("one", "two", "three"), {"checkpoint.current": "three", "checkpoint.done": None}),
        # unless there is none
        (LAST, None, OVER),
        (TWO, None, {"checkpoint.copied.two": POD_UID, "checkpoint.done": None, "pod.phase": "Succeeded"}),
        # the same name twice is the same checkpoint
        (ONE, listing("one", "one"), {"checkpoint.current": "one", "pod.phase": "Succeeded"}),
    ],
)  # fmt: skip
def test_what_is_noted(notes, stages, wanted):
    current = notes[names.CHECKPOINT_CURRENT]
    world = given(notes, stages, stage_pod(current, "Succeeded"))
    world.apply(look(world))
    after = world.get("PersistentVolumeClaim", PRIME, NS)["metadata"]["annotations"]
    assert {key: after.get(f"cdi.kubevirt.io/storage.{key}") for key in wanted} == wanted


def test_while_its_pod_runs():
    world = given(ONE, listing("one", "two"), stage_pod("one"))
    world.apply(look(world))
    after = world.get("PersistentVolumeClaim", PRIME, NS)["metadata"]["annotations"]
    assert (after[names.POD_PHASE], after[names.CHECKPOINT_POD_ID]) == ("Running", POD_UID)
    assert look(world) == ()


@pytest.mark.parametrize(
    ("listed", "current", "wanted"),
    [
        (listing("one"), ONE, ("", "one", False)),
        (listing("one", "two", final=True), LAST, ("one", "two", True)),
    ],
)
def test_what_the_worker_is_told(listed, current, wanted):
    (make,) = look(given(current, listed))
    source = Job.from_json(make.object["spec"]["containers"][0]["env"][0]["value"]).source
    assert (source.previous_checkpoint, source.current_checkpoint, source.final_checkpoint) == wanted


@pytest.mark.parametrize(
    ("claim", "storage", "name"),
    [
        (legacy("Bound", ONE), LOCAL, "importer-disk-checkpoint-one"),
        # its pod is the first consumer: until it is bound nothing is written on the claim
        (legacy("Pending", {names.IMMEDIATE_BIND: ""}), LOCAL_WAITS, "importer-disk-checkpoint-one"),
    ],
)
def test_the_list_of_the_data_volume_in_the_legacy_flow(claim, storage, name):
    world = World(*storage, HONOURS_WAIT, data_volume(**listing("one")), claim)
    (make,) = look(world, KEY)
    assert make.object["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("checkpoint", "begins"),
    [
        ("snapshot-42", True),
        ("6f4a5ab1-0c2e-4bb1-b7c8-b6c1a6a4f1d2", True),
        ("x" * 37, True),
        ("x" * 38, False),
        ("52 3c ec 11/4", False),
        ("first-", False),
    ],
)
def test_a_checkpoint_that_could_not_be_noted_is_not_begun(checkpoint, begins):
    actions = look(given(at("", checkpoint), listing(checkpoint)))
    assert (summary(actions) != ["note"]) == begins
    assert begins or f"checkpoint {checkpoint!r} has to be" in actions[0].annotations[names.RUNNING_MESSAGE]


def test_somebody_elses_data_volume_says_nothing():
    stranger = having(data_volume(**listing("one")), metadata={"uid": "uid-other"})
    (make,) = look(World(*LOCAL, HONOURS_WAIT, stranger, legacy("Bound")), KEY)
    assert make.object["metadata"]["name"] == "importer-disk"


def test_a_plain_import_needs_no_promise():
    (make,) = look(given({}, {}))
    assert make.as_seen is None


def test_a_controller_that_lags_behind_starts_no_stage():
    """It has seen neither that the stage is copied, nor its pod, which is gone by now."""
    world = given(ONE, listing("one"))
    late = look(world)
    world.edit("PersistentVolumeClaim", PRIME, {"metadata": {"annotations": ONE_COPIED}}, NS)
    controller = Controller(ApiServer(world))
    with pytest.raises(Stale):
        run(controller.applier.carry_out(late))
    assert list(world.all("Pod")) == []
