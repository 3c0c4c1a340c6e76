"""Whatever happens on the way, and in whatever order: every DataVolume gets its disk, and leaves nothing behind.

A run takes one of the moves that are possible after the other, by chance, and now and then a fault. Then the faults
stop and everybody goes on until there is nothing left to do: there must be an end to that, and the right one. A run
that fails tells its story. `SIMULATION_RUNS=1000` looks for longer, and elsewhere than usual.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
import structlog
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from cdi_operator.api import annotations as names
from cdi_operator.cluster.errors import Unreachable
from cdi_operator.flows.view import Refusal
from tests.unit.flows.controllers import CONTROLLERS, THEIRS, WRITTEN, WRONG, crash, edit, select_node
from tests.unit.flows.given import (
    BLANK,
    CLAIM_UID,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    HTTP,
    LOCAL,
    LOCAL_WAITS,
    NAME,
    NO_GATES,
    NS,
    PV,
    SOURCE_NAME,
    URL,
    by_hand,
    claim_spec,
    config,
    data_volume,
    having,
    listing,
    noted,
    reserved_volume,
)
from tests.unit.flows.given import volume as volume_of
from tests.unit.flows.simulation import ApiServer, Controller, Died, Move, Moves
from tests.unit.world import NOW, World

CLAIM = "PersistentVolumeClaim"
RUNS = int(os.environ.get("SIMULATION_RUNS", 0))
SETTINGS = settings(
    max_examples=RUNS or 4,
    derandomize=not RUNS,
    deadline=None,
    database=None,
    phases=[Phase.generate],
)
QUOTA = Refusal(None, "Forbidden", "exceeded quota: q", NOW)  # type: ignore[arg-type]
LONGEST = 1000
"""Moves after which it should long be over: an undisturbed import takes 50 to 100, of three stages 100 to 500."""


@dataclass(frozen=True)
class Case:
    storage: Any
    gates: Any
    annotations: Any = None
    source: Any = None
    consumed: bool = False
    """The user's own pod waits for the claim, and the scheduler selects a node for it."""
    leaders: int = 1
    """A leader that was cut off goes on for a moment after the next one has begun."""
    volume: Any = None
    """The DataVolume, where it is not one that imports from `source`."""
    before: tuple[Any, ...] = ()
    """What was there before the DataVolume: a claim or a volume with the disk on it."""
    stages: int = 0
    """Checkpoints of a warm import; the user lists the first one, and the others one by one."""

    @property
    def spec(self) -> dict[str, Any]:
        return listing(*CHECKPOINTS[:1], final=self.stages == 1) if self.stages else {}

    @property
    def disk(self) -> str:
        """What is on a volume that is done."""
        return CHECKPOINTS[self.stages - 1] if self.stages else "whole"


EXTERNAL = data_volume(None, pvc=claim_spec(dataSourceRef=THEIRS))
ADOPTS = config("HonorWaitForFirstConsumer", "DataVolumeClaimAdoption")
RESTORED = {names.POPULATED_FOR: NAME}
STATIC = {names.CHECK_STATIC_VOLUME: ""}


def whole(volume: Any) -> Any:
    return having(volume, metadata={"labels": {WRITTEN: "whole"}})


CHECKPOINTS = ("one", "two", "three")
MISTAKEN = {"http": {"url": URL, "checksum": WRONG}}
CASES = {
    "populator": Case(CSI, HONOURS_WAIT),
    "populator, blank": Case(CSI, HONOURS_WAIT, source=BLANK),
    "populator, first consumer": Case(CSI_WAITS, HONOURS_WAIT, consumed=True),
    "populator, at once": Case(CSI_WAITS, HONOURS_WAIT, {names.IMMEDIATE_BIND: ""}),
    "populator, no gate": Case(CSI_WAITS, NO_GATES),
    "populator, two leaders": Case(CSI, HONOURS_WAIT, leaders=2),
    "populator, wrong checksum": Case(CSI, HONOURS_WAIT, source=MISTAKEN),
    "legacy": Case(LOCAL, HONOURS_WAIT),
    "legacy, first consumer": Case(LOCAL_WAITS, HONOURS_WAIT, consumed=True),
    "legacy, at once": Case(LOCAL_WAITS, HONOURS_WAIT, {names.IMMEDIATE_BIND: ""}),
    "legacy, no gate": Case(LOCAL_WAITS, NO_GATES),
    "legacy, wrong checksum": Case(LOCAL, HONOURS_WAIT, source=MISTAKEN),
    "legacy, two leaders": Case(LOCAL, HONOURS_WAIT, leaders=2),
    "external": Case(CSI, HONOURS_WAIT, volume=EXTERNAL),
    "external, first consumer": Case(CSI_WAITS, HONOURS_WAIT, volume=EXTERNAL, consumed=True),
    "adopted": Case(CSI, ADOPTS, before=(by_hand("Bound"), whole(volume_of(PV, NAME, CLAIM_UID)))),
    "restored": Case(LOCAL, HONOURS_WAIT, before=(by_hand("Bound", RESTORED), whole(volume_of(PV, NAME, CLAIM_UID)))),
    "beforehand": Case(CSI, HONOURS_WAIT, STATIC, before=(whole(reserved_volume()),)),
    "beforehand, legacy": Case(LOCAL, HONOURS_WAIT, STATIC, before=(whole(reserved_volume()),)),
    "populator, stages": Case(CSI, HONOURS_WAIT, stages=3),
    "populator, stages, two leaders": Case(CSI, HONOURS_WAIT, stages=3, leaders=2),
    "populator, stages, first consumer": Case(CSI_WAITS, HONOURS_WAIT, stages=2, consumed=True),
    "legacy, stages": Case(LOCAL, HONOURS_WAIT, stages=3),
    "legacy, stages, two leaders": Case(LOCAL, HONOURS_WAIT, stages=3, leaders=2),
    "legacy, stages, at once": Case(LOCAL_WAITS, HONOURS_WAIT, {names.IMMEDIATE_BIND: ""}, stages=2),
    "legacy, one stage": Case(LOCAL, HONOURS_WAIT, stages=1),
}


class Play:
    """One run of one case."""

    def __init__(self, case: Case) -> None:
        volume = noted(case.volume or data_volume(case.source or HTTP, **case.spec), case.annotations or {})
        self.case = case
        self.world = World(*case.storage, case.gates, *case.before, volume)
        self.server = ApiServer(self.world)
        self.leaders = [Controller(self.server) for _ in range(case.leaders)]
        self.story: list[str] = []
        self.phases: list[str] = []

    def moves(self) -> Moves:
        for leader in self.leaders:
            yield from leader.moves()
        for controller in CONTROLLERS:
            yield from controller(self.world)
        claim = self.world.get(CLAIM, NAME, NS)
        if self.case.consumed and claim and names.SELECTED_NODE not in claim["metadata"]["annotations"]:
            yield select_node(self.world, claim)
        if self._phase() == "Paused":
            yield from self.another_stage()

    def faults(self) -> Moves:
        """What users, nodes and networks do. Nothing here is for good."""
        world = self.world
        yield "time passes", self.time_passes
        yield from self.another_stage()
        for error, carried_out in itertools.product((Died(), Unreachable("connection reset")), (False, True)):
            yield f"{error!r}, carried out: {carried_out}", partial(self.server.disturb, error, carried_out)
        for kind in (CLAIM, "Pod", "VolumeImportSource"):
            for name in self.names(kind):
                yield f"delete {kind} {name}", partial(world.delete, kind, name, NS)
        for pod in world.all("Pod"):
            phase = pod.get("status", {}).get("phase")
            if phase == "Running":
                yield "crash", crash(world, pod)
            if phase != "Succeeded":
                yield "evict", edit(world, pod, status={"phase": "Failed", "reason": "Evicted"})
        for volume in world.all("PersistentVolume"):
            if volume["spec"]["claimRef"]["name"] != NAME:
                yield "lose a volume", partial(world.delete, "PersistentVolume", volume["metadata"]["name"])
        for kind, name in ((CLAIM, NAME), ("VolumeImportSource", SOURCE_NAME), *self.hidden()):
            yield f"quota on {name}", partial(world.refusals.update, {(kind, NS, name): QUOTA})
        if world.refusals:
            yield "quotas are lifted", world.refusals.clear

    def another_stage(self) -> Moves:
        """The user does not always wait for the one before."""
        volume = self.world.get("DataVolume", NAME, NS)
        count = len(volume["spec"].get("checkpoints", ())) if volume else 0
        if volume and 0 < count < self.case.stages:
            longer = listing(*CHECKPOINTS[: count + 1], final=count + 1 == self.case.stages)
            yield "list another stage", edit(self.world, volume, spec=longer)

    def hidden(self) -> list[tuple[str, str]]:
        """What the claim that is there may need: kinds and names."""
        claim = self.world.get(CLAIM, NAME, NS)
        if claim is None:
            return []
        prime = f"prime-{claim['metadata']['uid']}"
        pods = [f"importer-{name}" for name in (prime, NAME)]
        of_stages = [f"{pod}-checkpoint-{each}" for pod in pods for each in CHECKPOINTS[: self.case.stages]]
        return [(CLAIM, prime), *(("Pod", name) for name in (*pods, *of_stages))]

    def choose(self, chance: Random) -> None:
        for _ in range(chance.randrange(140)):
            disturbed = chance.randrange(6) == 0
            moves = list(self.faults() if disturbed else self.moves()) or list(self.faults())
            self._take(moves, chance.randrange(len(moves)))

    def _take(self, moves: list[tuple[str, Move]], number: int) -> None:
        name, move = moves[number]
        self.story.append(name)
        before = self._phase()
        move()
        if self._phase() != before:
            self.phases.append(self._phase())
        if self._phase() == "Succeeded" != before:
            self._check_that_it_is_true()

    def _phase(self) -> str:
        volume = self.world.get("DataVolume", NAME, NS) or {}
        return str(volume.get("status", {}).get("phase", ""))

    def _check_that_it_is_true(self) -> None:
        """Unless somebody took the claim away in the meantime, the whole disk is there the moment that we say so."""
        claim = self.world.get(CLAIM, NAME, NS)
        seen = [leader.cache.get(CLAIM, NAME, NS) for leader in self.leaders]
        if claim and all(each and each["metadata"]["uid"] == claim["metadata"]["uid"] for each in seen):
            volume = self.world.get("PersistentVolume", claim["spec"]["volumeName"])
            assert volume is not None
            assert volume["metadata"].get("labels", {}).get(WRITTEN) == self.case.disk

    def calm_down(self) -> None:
        """No more faults, and everybody goes on until nobody has anything to do, however long they wait."""
        self.world.refusals.clear()
        self.server.leave_in_peace()
        self.story.append("-- from here on everybody only does his work --")
        began = len(self.story)
        while moves := list(self.moves()) or list(self._after_a_while()):
            taken = len(self.story) - began
            assert taken < LONGEST, "there is no end to it"
            self._take(moves, taken % len(moves))

    def prepare(self) -> None:
        """Everything goes on until a worker could be made."""
        while moves := [move for move in self.moves() if not move[0].startswith("look importer")]:
            self._take(moves, len(self.story) % len(moves))

    def cluster_goes_on(self) -> None:
        """Without us."""
        while moves := [move for controller in CONTROLLERS for move in controller(self.world)]:
            self._take(moves, 0)

    def _after_a_while(self) -> Moves:
        if any(leader.timers for leader in self.leaders):
            yield "time passes", self.time_passes

    def time_passes(self) -> None:
        """Enough for every timer: backoffs, refusals that are to be tried again, pods that grow old."""
        self.world.now += timedelta(seconds=61)
        for leader in self.leaders:
            leader.timers_are_due()

    def names(self, kind: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.world.all(kind)]

    def left(self) -> dict[str, list[str]]:
        return {kind: self.names(kind) for kind in (CLAIM, "Pod", "PersistentVolume", "VolumeImportSource")}

    def the(self, kind: str, name: str, namespace: str = "") -> Any:
        return self.world.get(kind, name, namespace)


def check_end(play: Play) -> None:
    if play.case.source is MISTAKEN:
        check_failure(play)
    elif play.the(CLAIM, NAME, NS) is None:
        check_pre_populated(play)
    else:
        check_disk(play)


def check_failure(play: Play) -> None:
    """The DataVolume says what is wrong, and nobody tries again."""
    status = play.the("DataVolume", NAME, NS)["status"]
    worker = status["conditions"][2]
    assert (status["phase"], worker["status"], worker["reason"]) == ("Failed", "False", "ChecksumError")
    assert "checksum validation failed" in worker["message"]
    assert play.names("Pod") == []


def check_pre_populated(play: Play) -> None:
    """Somebody deleted the claim that was filled elsewhere: only whoever filled it can bring it back."""
    volume = play.the("DataVolume", NAME, NS)
    assert volume["metadata"]["annotations"][names.PRE_POPULATED] == NAME
    assert volume["status"]["phase"] == "Pending"


def check_disk(play: Play) -> None:
    """The DataVolume says that all is well, and it is; and of what was needed on the way nothing is left."""
    status, claim = play.the("DataVolume", NAME, NS)["status"], play.the(CLAIM, NAME, NS)
    volume = play.the("PersistentVolume", claim["spec"]["volumeName"])
    worked = claim["metadata"]["annotations"].get(names.POD_PHASE) == "Succeeded"
    assert (status["phase"], status["progress"]) == ("Succeeded", "100.0%" if worked else "N/A")
    assert status["claimName"] == NAME
    assert [each["status"] for each in status["conditions"]] == ["True", "True", "False" if worked else "Unknown"]
    assert worked or play.case.before or play.case.volume
    assert claim["status"]["phase"] == "Bound"
    assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
    assert volume["metadata"]["labels"][WRITTEN] == play.case.disk
    assert (play.names("Pod"), play.names("VolumeImportSource")) == ([], [])
    assert (play.names(CLAIM), play.names("PersistentVolume")) == ([NAME], [volume["metadata"]["name"]])


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """A controller logs what it does; a thousand runs of one are too much of that."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@contextmanager
def told(play: Play) -> Iterator[Play]:
    """With the story up to there, should it not end well."""
    try:
        yield play
    except Exception:
        note("\n".join(play.story))
        raise


chances = st.randoms(use_true_random=True)
cases = pytest.mark.parametrize("case", CASES)


@cases
def test_undisturbed(case: str) -> None:
    play = Play(CASES[case])
    play.calm_down()
    check_end(play)
    asked = play.server.requests
    for leader in play.leaders:
        leader.start()
    play.calm_down()
    assert play.server.requests == asked, "a new controller that finds everything done asks for nothing"


@cases
@SETTINGS
@given(chance=chances)
def test_every_import_ends_well(case: str, chance: Random) -> None:
    with told(Play(CASES[case])) as play:
        play.choose(chance)
        play.calm_down()
        check_end(play)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case.leaders > 1])
def test_a_leader_that_slept_through_the_import(case: str) -> None:
    """It wakes up with a worker to be made in mind before it hears of anything that has happened since, and what it
    asks for is done before anybody takes it back.
    """
    play = Play(CASES[case])
    play.prepare()
    asleep = play.leaders.pop()
    play.calm_down()
    play.leaders.append(asleep)
    play.story.append("-- the other one wakes up --")
    assert any(flow == "importer" for flow, _ in asleep.queue)
    for flow, key in list(asleep.queue):
        asleep.look(flow, key)
    play.cluster_goes_on()
    play.calm_down()
    check_end(play)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if not case.before])
@SETTINGS
@given(chance=chances)
def test_deletion_leaves_nothing(case: str, chance: Random) -> None:
    with told(Play(CASES[case])) as play:
        play.choose(chance)
        play.world.delete("DataVolume", NAME, NS)
        play.choose(chance)
        play.calm_down()
        assert not any(play.left().values()), play.left()
