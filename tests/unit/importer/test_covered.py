"""What is done of a disk: intervals against a set of bytes, journals against all that may stand in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer_image.attempt import MOST_INTERVALS, Record
from importer_image.covered import UNTOUCHED, Covered
from importer_image.extent import Extent
from importer_image.format.mapped import DATA, PACKED, Done, remaining
from importer_image.format.placement import Run

interval = st.tuples(st.integers(0, 60), st.integers(0, 60))
on_any_machine = settings(deadline=None)


@on_any_machine
@given(st.lists(interval), interval)
def test_intervals_are_sets_of_bytes(parts: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    covered, wanted = Covered(), set()
    for start, end in parts:
        covered.add(start, end)
        wanted |= set(range(start, end))
    assert {byte for start, end in covered.intervals for byte in range(start, end)} == wanted
    assert Covered(covered.bounds).bounds == covered.bounds, "disjoint, ascending, no neighbours"
    gaps = [byte for start, end in covered.gaps(*asked) for byte in range(start, end)]
    assert gaps == [byte for byte in range(*asked) if byte not in wanted]
    assert covered.holds(*asked) is not bool(gaps)
    assert covered.end == max(wanted, default=-1) + 1


@pytest.mark.parametrize(("count", "left"), [(3, [(0, 1), (2, 4), (6, 9)]), (2, [(2, 4), (6, 9)]), (0, [])])
def test_the_shortest_are_forgotten(count: int, left: list[tuple[int, int]]) -> None:
    assert Covered([0, 1, 2, 4, 6, 9]).longest(count).intervals == left


RECORD = Record({"source": "http://host/image 100", "disk": "7 100"}, Covered([0, 10, 20, 100]), 55)


HEAD, FIRST, _ = RECORD.to_text().split("\n")


@pytest.mark.parametrize(
    ("more", "bounds", "fetched_bytes"),
    [
        ("", (0, 10, 20, 100), 55),
        ("60 10 15\n", (0, 15, 20, 100), 60),
        ("60 0 1 9 11\n70 11 20\n", (0, 100), 70),
        ("60\n", (0, 10, 20, 100), 60),
        # what a kill has cut off, or a crash of the machine
        ("60 10 15", (0, 10, 20, 100), 55),
        ("60 10 15\n70 1", (0, 15, 20, 100), 60),
        ("\0" * 4096, (0, 10, 20, 100), 55),
    ],
)
def test_a_journal_is_read_as_it_was_written(more: str, bounds: tuple[int, ...], fetched_bytes: int) -> None:
    found = Record.from_text(RECORD.to_text() + more, 100)
    assert (found.identity, found.covered.bounds, found.fetched_bytes) == (RECORD.identity, bounds, fetched_bytes)


@pytest.mark.parametrize(
    "text",
    [
        # what somebody has written into it
        f"{HEAD}\n55 0 101\n",
        f"{HEAD}\n55 -1 10\n",
        f"{HEAD}\n55 0 10 10 20\n",
        f"{HEAD}\n55 20 10\n",
        f"{HEAD}\n55 0 10 20\n",
        f"{HEAD}\n55 0 10.0\n",
        f"{HEAD}\n55 0 1_0\n",
        f"{HEAD}\n55 0  10\n",
        f"{HEAD}\n55 0 10 \n",
        f"{HEAD}\n55 0 \u0661\n",
        f"{HEAD}\n\n{FIRST}\n",
        f"{HEAD}\n{FIRST}\n\0\0\0\n",
        f"{HEAD}\n55 0 {10**4000}\n",
        f"{HEAD}\n55 {' '.join(map(str, range(2 * MOST_INTERVALS + 2)))}\n",
        HEAD + "\n" + "55 0 10\n" * (MOST_INTERVALS + 1),
        json.dumps({**json.loads(HEAD), "version": 1}) + f"\n{FIRST}\n",
        json.dumps({**json.loads(HEAD), "source": ["http://host/image"]}) + f"\n{FIRST}\n",
    ],
    ids=lambda text: repr(text[len(HEAD) :])[:40],
)
def test_what_is_no_journal(text: str) -> None:
    with pytest.raises(ValueError, match=r"not|version|intervals"):
        Record.from_text(text, 10**9 if "65536" in text else 100)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "[" * 100_000, "{}", HEAD[:-1], "\0" * 4096])
@pytest.mark.parametrize("end", ["", "\n"])
def test_what_is_no_journal_at_all(text: str, end: str) -> None:
    with pytest.raises(ValueError, match="not a journal"):
        Record.from_text(text + end, 100)


@pytest.mark.parametrize(
    ("bounds", "item", "left"),
    [
        # covered         what a table says         what is left of it, in blocks of 10
        ([], Run(500, 40, DATA, 20), [Run(500, 40, DATA, 20)]),
        ([20, 60], Run(500, 40, DATA, 20), []),
        ([0, 30], Run(500, 40, DATA, 20), [Run(510, 30, DATA, 30)]),
        ([0, 35], Run(500, 40, DATA, 20), [Run(510, 30, DATA, 30)]),
        ([30, 40], Run(500, 40, DATA, 20), [Run(500, 10, DATA, 20), Run(520, 20, DATA, 40)]),
        ([29, 41], Run(500, 40, DATA, 20), [Run(500, 10, DATA, 20), Run(520, 20, DATA, 40)]),
        ([31, 39], Run(500, 40, DATA, 20), [Run(500, 40, DATA, 20)]),
        ([22, 24, 26, 28], Run(500, 9, DATA, 20), [Run(500, 9, DATA, 20)]),
        ([20, 30], Run(500, 3, PACKED, 20, whole=True), []),
        ([20, 29], Run(500, 3, PACKED, 20, whole=True), [Run(500, 3, PACKED, 20, whole=True)]),
        ([22, 24], Extent(20, 10, None), [Extent(20, 2, None), Extent(24, 6, None)]),
        ([20, 30], Extent(20, 10, b"x" * 10), [Extent(20, 10, b"x" * 10)]),
        ([0, 99], Run(500, 40, "table", 20), [Run(500, 40, "table", 20)]),
    ],
)
def test_what_is_left_of_a_table(bounds: list[int], item: Run | Extent, left: list[Run | Extent]) -> None:
    assert list(remaining([item], Done(Covered(bounds), 10))) == left
    assert UNTOUCHED.bounds == ()
