"""A raw disk that comes in pieces of any size goes on in whole grains."""

from __future__ import annotations

import random

import pytest

from importer_image.format.raw import GRAIN_BYTES, Raw
from tests.unit.importer.sliced import Sliced, contents

DISK = random.Random(1).randbytes(5 * GRAIN_BYTES + 512)


@pytest.mark.parametrize(
    ("slices", "lengths"),
    [
        ([GRAIN_BYTES], [1, 1, 1, 1, 1]),
        ([2 * GRAIN_BYTES], [2, 2, 1]),
        ([len(DISK)], [5]),
        ([512], [1, 1, 1, 1, 1]),
        ([3 * GRAIN_BYTES - 1], [2, 1, 2]),
        ([GRAIN_BYTES + 1, GRAIN_BYTES - 1], [1, 1, 1, 1, 1]),
        ([3 * GRAIN_BYTES + 1], [3, 1, 1]),
        ([1000, 2 * GRAIN_BYTES], [1, 1, 1, 1, 1]),
    ],
)
def test_cut_at_grains(slices: list[int], lengths: list[int]) -> None:
    """`lengths` in grains, but for the 512 bytes at the end."""
    assert contents(Raw(Sliced(DISK, slices, ranged=False))) == DISK
    whole = [(offset, length) for offset, length, _ in Raw(Sliced(DISK, slices, ranged=False)).extents()][:-1]
    assert [offset % GRAIN_BYTES for offset, _ in whole] == [0] * len(whole)
    assert [length // GRAIN_BYTES for _, length in whole] == lengths
