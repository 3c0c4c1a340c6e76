"""Whatever the map and however the bytes are cut: every run gets its bytes, and only what is needed is asked for."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer_image.format.placement as module
from importer_image.errors import Permanent
from importer_image.format.placement import MERGE_GAP_BYTES, Parking, Piece, Placement, Run
from tests.images import MIB

SIZE = 400
SOURCE = bytes(n * 7 % 251 for n in range(SIZE))

PLACE_OF = 10_000
"""Runs are placed at their source offset plus this, so that a piece tells which bytes it should be."""


@st.composite
def runs(draw: st.DrawFn) -> Run:
    offset = draw(st.integers(0, SIZE - 1))
    length = draw(st.integers(1, min(60, SIZE - offset)))
    return Run(offset, length, draw(st.sampled_from("ab")), offset + PLACE_OF, draw(st.booleans()))


def end(run: Run) -> int:
    return run.offset + run.length


on_any_machine = settings(deadline=None)
"""A busy one takes long for what is nothing."""

maps = st.lists(runs(), max_size=12)
cuts = st.lists(st.integers(1, SIZE - 1), max_size=8).map(lambda found: sorted({0, SIZE, *found}))


def check(wanted: list[Run], found: list[Piece]) -> None:
    """The pieces are the bytes of the runs, each as often as it was asked for."""
    for piece in found:
        start = piece.place - PLACE_OF
        assert bytes(piece.data) == SOURCE[start : start + len(piece.data)]
    assert sum(len(piece.data) for piece in found) == sum(run.length for run in wanted)
    counted = [0] * SIZE
    for piece in found:
        for at in range(piece.place - PLACE_OF, piece.place - PLACE_OF + len(piece.data)):
            counted[at] += 1
    for run in wanted:
        for at in range(run.offset, run.offset + run.length):
            counted[at] -= 1
    assert not any(counted)


@on_any_machine
@given(maps, cuts)
def test_every_run_gets_its_bytes(wanted: list[Run], cut: list[int]) -> None:
    placement = Placement()
    for run in wanted:
        placement.add(run)
    found = [
        Piece(piece.kind, piece.place, bytes(piece.data))
        for start, end in pairwise(cut)
        for piece in placement.feed(start, memoryview(SOURCE)[start:end])
    ]
    check(wanted, found)
    assert list(placement.missing()) == []


@on_any_machine
@given(st.lists(runs().map(lambda run: run._replace(whole=True)), max_size=12), cuts)
def test_whole_runs_come_whole(wanted: list[Run], cut: list[int]) -> None:
    placement = Placement()
    for run in wanted:
        placement.add(run)
    found = [
        (piece.place, len(piece.data))
        for start, end in pairwise(cut)
        for piece in placement.feed(start, memoryview(SOURCE)[start:end])
    ]
    assert sorted(found) == sorted((run.place, run.length) for run in wanted)


@st.composite
def disjoint(draw: st.DrawFn) -> list[Run]:
    """Runs that do not overlap, as the clusters of an image."""
    edges = draw(st.lists(st.integers(0, SIZE), min_size=2, max_size=16, unique=True).map(sorted))
    found = [Run(a, b - a, "data", a + PLACE_OF, draw(st.booleans())) for a, b in pairwise(edges)]
    return [run for run in found if draw(st.booleans())]


@on_any_machine
@given(disjoint(), cuts, st.randoms())
def test_runs_may_become_known_late(wanted: list[Run], cut: list[int], chance: Random) -> None:
    """As long as what has passed is still parked."""
    placement = Placement(parking_bytes=SIZE)
    late = {run: chance.randrange(len(cut)) for run in wanted}
    found: list[Piece] = []

    def keep(piece: Piece) -> None:
        found.append(Piece(piece.kind, piece.place, bytes(piece.data)))

    for number, (start, end) in enumerate(pairwise(cut)):
        for run in wanted:
            if late[run] == number:
                placement.add(run)
        for piece in placement.feed(start, memoryview(SOURCE)[start:end]):
            keep(piece)
    for run in wanted:
        if late[run] == len(cut) - 1:
            placement.add(run)
    for piece in placement.ready():
        keep(piece)
    check(wanted, found)


@on_any_machine
@given(maps)
def test_only_what_is_needed_is_asked_for(wanted: list[Run]) -> None:
    placement = Placement()
    for run in wanted:
        placement.add(run)
    ranges = placement.wanted()
    assert all(any(o <= run.offset and end(run) <= o + n for o, n in ranges) for run in wanted)
    assert len(ranges) == bool(wanted), "all of these lie closer together than is worth a second request"
    if wanted:
        first = min(run.offset for run in wanted)
        assert ranges[0] == (first, max(map(end, wanted)) - first)


@pytest.mark.parametrize(
    ("second", "ranges"),
    [
        (10, [(0, 20)]),
        (10 + MERGE_GAP_BYTES, [(0, 20 + MERGE_GAP_BYTES)]),
        (11 + MERGE_GAP_BYTES, [(0, 10), (11 + MERGE_GAP_BYTES, 10)]),
        (0, [(0, 10)]),
        (5, [(0, 15)]),
    ],
)
def test_near_ranges_are_merged(second: int, ranges: list[tuple[int, int]]) -> None:
    placement = Placement()
    placement.add(Run(second, 10, "data", 0))
    placement.add(Run(0, 10, "data", 0))
    assert placement.wanted() == ranges


def test_what_is_missing_at_the_end() -> None:
    placement = Placement()
    placement.add(Run(380, 40, "data", 0))
    placement.add(Run(390, 20, "packed", 7, whole=True))
    assert [piece.place for piece in placement.feed(300, memoryview(SOURCE)[300:])] == [0]
    assert list(placement.missing()) == [
        (Run(400, 20, "data", 20), b""),
        (Run(400, 10, "packed", 7, whole=True), SOURCE[390:]),
    ]


def test_what_was_forgotten_is_an_error() -> None:
    placement = Placement(parking_bytes=100)
    for start in range(0, SIZE, 50):
        list(placement.feed(start, memoryview(SOURCE)[start : start + 50]))
    placement.add(Run(300, 100, "data", 0))
    assert b"".join(bytes(piece.data) for piece in placement.ready()) == SOURCE[300:]
    with pytest.raises(Permanent, match="only after byte 0 has passed"):
        placement.add(Run(0, 10, "data", 0))


def test_parking_keeps_the_latest() -> None:
    parking = Parking(100)
    for start in range(0, 300, 30):
        parking.keep(start, memoryview(SOURCE)[start : start + 30])
    assert parking.read(275, 100) == SOURCE[275:300]
    with pytest.raises(Permanent):
        parking.read(100, 1)


def test_overlapping_runs_do_not_fill_the_memory() -> None:
    """Thousands of clusters that all claim the same bytes, cut by the end of a slice."""
    placement = Placement()
    for number in range(100):
        placement.add(Run(0, 2 * MIB, "packed", number, whole=True))
    with pytest.raises(Permanent, match="too many of its clusters overlap"):
        list(placement.feed(0, memoryview(bytes(MIB))))


def test_whole_runs_one_after_another_are_no_overlap() -> None:
    placement = Placement()
    for number in range(100):
        placement.add(Run(number * 3 * MIB, 3 * MIB, "packed", number, whole=True))
    slices = (placement.feed(offset, memoryview(bytes(MIB))) for offset in range(0, 300 * MIB, MIB))
    assert [piece.place for pieces in slices for piece in pieces] == list(range(100))


def test_runs_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUNS", 10)
    placement = Placement()
    for number in range(10):
        placement.add(Run(number, 1, "data", number))
    with pytest.raises(Permanent, match="too fragmented"):
        placement.add(Run(10, 1, "data", 10))
