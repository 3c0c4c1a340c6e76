"""Typical stories: the phases that a DataVolume goes through when everybody does his work at once (spec 2.8)."""

import pytest

from cdi_operator.api import annotations as names
from tests.unit.flows.controllers import crash
from tests.unit.flows.given import NAME, NS
from tests.unit.flows.test_simulation import CASES, CLAIM, LONGEST, Play, quiet

__all__ = ["quiet"]

IMPORT = ["ImportScheduled", "ImportInProgress", "Succeeded"]
STORIES = {
    "populator": ["Pending", *IMPORT],
    "populator, blank": ["Pending", *IMPORT],
    "populator, first consumer": ["PendingPopulation", *IMPORT],
    "populator, at once": ["Pending", *IMPORT],
    "populator, no gate": ["Pending", *IMPORT],
    "populator, wrong checksum": ["Pending", "ImportScheduled", "ImportInProgress", "Failed"],
    "legacy": ["Pending", "PVCBound", *IMPORT],
    "legacy, first consumer": ["WaitForFirstConsumer", "PVCBound", *IMPORT],
    # the worker is there before the claim is bound: it is what the claim waits for
    "legacy, at once": ["Pending", "PVCBound", *IMPORT],
    "legacy, no gate": ["Pending", "PVCBound", *IMPORT],
    "legacy, wrong checksum": ["Pending", "PVCBound", "ImportScheduled", "ImportInProgress", "Failed"],
    "external": ["Pending", "Succeeded"],
    "external, first consumer": ["PendingPopulation", "Pending", "Succeeded"],
    "adopted": ["Succeeded"],
    "restored": ["Succeeded"],
    "beforehand": ["Pending", "Succeeded"],
    "beforehand, legacy": ["Pending", "Succeeded"],
}


def step(play):
    """Ours first, so that nothing that happens goes unseen; False when nobody has anything to do."""
    moves = list(play.moves())
    if moves:
        play._take(moves, 0)
    return bool(moves)


def until(play, phase):
    while play.phases[-1:] != [phase]:
        assert len(play.story) < LONGEST
        assert step(play)


def ours_only(play):
    while moves := [move for leader in play.leaders for move in leader.moves()]:
        play._take(moves, 0)


@pytest.mark.parametrize("case", STORIES)
def test_phases(case):
    play = Play(CASES[case])
    while step(play):
        assert len(play.story) < LONGEST
    assert play.phases == STORIES[case]


@pytest.mark.parametrize("case", ["populator", "legacy"])
def test_a_bad_url(case):
    """ImportInProgress for ever, restarts that only grow, Running False Error; and when it heals, it is done."""
    play = Play(CASES[case])
    until(play, "ImportInProgress")
    for restarts in (1, 2, 3):
        (pod,) = play.world.all("Pod")
        crash(play.world, pod)()
        ours_only(play)
        status = play.the("DataVolume", NAME, NS)["status"]
        running = status["conditions"][2]
        assert (status["phase"], status["restartCount"]) == ("ImportInProgress", restarts)
        assert (running["status"], running["reason"]) == ("False", "Error")
        assert running["message"] == "Unable to connect to http data source: refused"
        assert play.the(CLAIM, NAME, NS)["metadata"]["annotations"][names.POD_PHASE] == "Running"
    while step(play):
        pass
    assert play.phases[-2:] == ["ImportInProgress", "Succeeded"]
    assert play.the("DataVolume", NAME, NS)["status"]["restartCount"] == 3


@pytest.mark.parametrize("case", ["populator", "legacy"])
@pytest.mark.parametrize("phase", ["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"])
@pytest.mark.parametrize("what", ["DataVolume", CLAIM])
def test_deleted_in_every_phase(case, phase, what):
    """The DataVolume takes all with it; without its claim it begins anew, and ends as well (spec 2.6)."""
    play = Play(CASES[case])
    until(play, phase)
    play.world.delete(what, NAME, NS)
    play.calm_down()
    if what == CLAIM:
        assert play.phases[-1] == "Succeeded"
        assert play.the("DataVolume", NAME, NS)["status"]["progress"] == "100.0%"
    else:
        assert not any(play.left().values()), play.left()
