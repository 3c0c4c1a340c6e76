"""The order in which a raw disk is asked for: all of it, from a few places at a time, its end last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer_image.format.interleave import interleaved

Ranges = list[tuple[int, int]]


@pytest.mark.parametrize(
    ("ranges", "pieces"),
    [
        ([], []),
        ([(0, 10)], [(0, 10)]),
        ([(0, 25)], [(0, 10), (10, 10), (20, 5)]),
        ([(0, 60)], [(0, 10), (20, 10), (40, 10), (10, 10), (30, 10), (50, 10)]),
        # the first place has less to go than the others
        ([(0, 50)], [(0, 10), (10, 10), (30, 10), (20, 10), (40, 10)]),
        # what an earlier attempt has left
        ([(5, 15), (80, 20)], [(5, 10), (80, 10), (15, 5), (90, 10)]),
    ],
)
def test_three_places(ranges: Ranges, pieces: Ranges) -> None:
    assert interleaved(ranges, places=3, piece_bytes=10) == pieces


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50)), max_size=6), st.integers(1, 5))
def test_each_byte_once_and_the_end_last(gaps_and_lengths: Ranges, places: int) -> None:
    ranges, at = [], 0
    for gap, length in gaps_and_lengths:
        ranges.append((at + gap, length))
        at += gap + length
    pieces = interleaved(ranges, places, piece_bytes=4)
    assert sorted(byte for offset, length in pieces for byte in range(offset, offset + length)) == [
        byte for offset, length in ranges for byte in range(offset, offset + length)
    ]
    assert not pieces or sum(pieces[-1]) == at
    assert all(0 < length <= 4 for _, length in pieces)
