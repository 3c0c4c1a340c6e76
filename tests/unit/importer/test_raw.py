"""A raw disk that comes in pieces of any size goes on in whole grains."""

from __future__ import annotations

import random

import pytest

from importer_image.format.interleave import PIECE_BYTES, PLACES
from importer_image.format.raw import GRAIN_BYTES, Raw
from importer_image.source import About
from tests.crafted import Vhd
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


class AnyOrder(Sliced):
    about = About(in_any_order=True)


DENSE = (bytes(PIECE_BYTES - 512) + b"conectix".ljust(512, b"\2")) * (PLACES + 1)
"""Where one place is left for another lies what begins like the footer of a fixed VHD."""


@pytest.mark.parametrize(
    ("behind", "more", "form"),
    [(b"", b"", "raw"), (b"\1" * 512, b"\1" * 512, "raw"), (Vhd(kind=2, size=len(DENSE)).footer(), b"", "vpc")],
)
def test_from_several_places(behind: bytes, more: bytes, form: str) -> None:
    source = AnyOrder(DENSE + behind, [1 << 20], ranged=True)
    offsets = [offset for offset, _, _ in Raw(source).extents()]
    image = Raw(source)
    assert offsets != sorted(offsets)
    assert contents(image) == DENSE + more
    assert image.name == form
