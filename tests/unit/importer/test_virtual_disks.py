"""VDI, VHD, VHDX and what looks like raw: however the bytes are cut, and whatever a header claims."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer_image.format.mapped as mapped
from importer_image.extent import Extent
from importer_image.format import find_image
from importer_image.format.mapped import DATA, NOTHING, PACKED, Found, in_parts, joined
from importer_image.format.placement import Run
from importer_image.format.vhdx.metadata import Disk
from importer_image.format.vhdx.regions import crc32c
from tests import crafted
from tests.crafted import Vdi, Vhd, Vhdx
from tests.images import MIB
from tests.unit.importer.sliced import Sliced, contents

NONE = 0xFFFFFFFF
BLOCKS = b"".join(bytes([number]) * MIB for number in (1, 2, 3))
"""Further blocks of data behind the first."""


def vdi(home: Path) -> tuple[bytes, bytes]:
    """Backwards, with the first block in the middle."""
    image = Vdi(map=(3, 0, NONE, 1), length=1024 + 4 * MIB).write(home / "vdi").read_bytes()
    return image[: 1024 + MIB] + BLOCKS, BLOCKS[2 * MIB :] + crafted.BLOCK + bytes(MIB) + BLOCKS[:MIB]


def vhd(home: Path) -> tuple[bytes, bytes]:
    second = (2048 + 512 + MIB) // 512
    image = Vhd(table=(second, NONE, 4, NONE)).write(home / "vhd").read_bytes()
    block = b"\xff" * 512 + BLOCKS[:MIB]
    return image[:-512] + block + image[-512:], BLOCKS[:MIB] + bytes(MIB) + crafted.BLOCK + bytes(MIB)


def vhdx(home: Path) -> tuple[bytes, bytes]:
    """Its log, read and found empty, and its block allocation table lie before the metadata that explain them."""
    bat = (7 * MIB | 6, 2, 4 * MIB | 6, 5 * MIB | 6)
    image = Vhdx(log_id=b"L" * 16, bat=bat).write(home / "vhdx").read_bytes()
    return image + BLOCKS, BLOCKS[2 * MIB :] + bytes(MIB) + crafted.BLOCK + BLOCKS[:MIB]


def fixed(home: Path) -> tuple[bytes, bytes]:
    disk = crafted.BLOCK + BLOCKS
    return disk + Vhd(kind=2).footer(), disk


def cookies(home: Path) -> tuple[bytes, bytes]:
    """Sectors that begin like a footer, and an end that is half of one."""
    disk = crafted.BLOCK + (b"conectix" + bytes(504)) * 2048 + Vhd(kind=2).footer()[:200]
    return disk, disk


@pytest.fixture(scope="module", params=[vdi, vhd, vhdx, fixed, cookies], ids=lambda make: make.__name__)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """An image, and its disk."""
    make: Callable[[Path], tuple[bytes, bytes]] = request.param
    return make(tmp_path_factory.mktemp("pair"))


@settings(deadline=None, max_examples=12)
@given(
    st.lists(st.one_of(st.integers(1, 700), st.integers(5000, MIB)), min_size=1, max_size=9).filter(
        lambda sizes: sum(sizes) > 5000 * len(sizes)
    ),
    st.booleans(),
)
def test_however_it_is_cut(pair: tuple[bytes, bytes], sizes: list[int], ranged: bool) -> None:
    content, expected = pair
    _, image = find_image(Sliced(content, sizes, ranged))
    assert contents(image) == expected


@pytest.mark.parametrize("ranged", [True, False], ids=["by range", "as a stream"])
def test_tables_in_parts(pair: tuple[bytes, bytes], ranged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "RUNS_AT_ONCE", 1)
    monkeypatch.setattr(mapped, "TABLE_BYTES_AT_ONCE", 1)
    content, expected = pair
    _, image = find_image(Sliced(content, [MIB], ranged))
    assert contents(image) == expected


def test_parts_of_a_table() -> None:
    assert list(in_parts(1000, 150_000, 8, "map")) == [
        Run(1000, 65536 * 8, "map", 0, whole=True),
        Run(1000 + 65536 * 8, 65536 * 8, "map", 65536, whole=True),
        Run(1000 + 131072 * 8, 18928 * 8, "map", 131072, whole=True),
    ]
    assert list(in_parts(1000, 0, 8, "map")) == []


@pytest.mark.parametrize(
    ("found", "items"),
    [
        ([(5, 10, 0, DATA), (15, 10, 10, DATA)], [Run(5, 19, DATA, 0)]),
        ([(5, 10, 0, DATA), (16, 10, 10, DATA)], [Run(5, 10, DATA, 0), Run(16, 9, DATA, 10)]),
        ([(NOTHING, 10, 0, DATA), (NOTHING, 10, 10, DATA)], [Extent(0, 19, None)]),
        ([(NOTHING, 10, 0, DATA), (0, 10, 10, DATA)], [Extent(0, 10, None), Run(0, 9, DATA, 10)]),
        ([(0, 10, 0, DATA), (NOTHING, 10, 10, DATA)], [Run(0, 10, DATA, 0), Extent(10, 9, None)]),
        ([(5, 3, 0, PACKED), (8, 3, 10, PACKED)], [Run(5, 3, PACKED, 0, True), Run(8, 3, PACKED, 10, True)]),
        ([(5, 10, 0, DATA), (15, 10, 10, DATA), (25, 10, 20, DATA)], [Run(5, 19, DATA, 0)]),
        ([(5, 10, 20, DATA)], []),
    ],
)
def test_neighbours_are_joined_and_the_last_is_cut(found: list[Found], items: list[Run | Extent]) -> None:
    assert list(joined(found, 19)) == items


class Endless:
    """Whatever is asked for behind the beginning of an image, it is there, and full of one byte."""

    name = "endless"
    size_bytes = 1 << 62

    def __init__(self, head: bytes, filling: int, ranged: bool) -> None:
        self.ranged = ranged
        self._head = head
        self._filling = memoryview(bytes([filling]) * MIB)

    def peek(self, length: int) -> bytes:
        return self._head[:length]

    def stream(self) -> Iterator[memoryview]:
        return (view for _, view in self.read_ranges([(0, 1 << 62)]))

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, memoryview]]:
        for offset, length in ranges:
            end = offset + length
            if offset < len(self._head):
                yield offset, memoryview(self._head)[offset:end]
                offset = len(self._head)
            while offset < end:
                step = min(MIB, end - offset)
                yield offset, self._filling[:step]
                offset += step

    def close(self) -> None:
        """Nothing to close."""


HUGE: dict[str, tuple[Vdi | Vhd | Vhdx, int, bool]] = {
    "vdi of 16 TiB, unallocated, as a stream": (
        Vdi(blocks=(1 << 24) - 128, size=(1 << 44) - 128 * MIB, data_offset=1 << 31, map=(), length=1024),
        0xFF,
        False,
    ),
    "vdi of 16 TiB, all at one place, by range": (
        Vdi(blocks=(1 << 24) - 128, size=(1 << 44) - 128 * MIB, length=1024),
        0,
        True,
    ),
    "vhdx of 64 TiB, not present, as a stream": (
        Vhdx(
            size=64 << 40,
            regions=((crafted.BAT_ID, 8 * MIB, 1 << 30, 1), (crafted.METADATA_ID, 3 * MIB, MIB, 1)),
            length=4 * MIB,
        ),
        0,
        False,
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_map_costs_no_memory(name: str, tmp_path: Path) -> None:
    """Tables of 64 MiB and more: of each, what comes first."""
    image, filling, ranged = HUGE[name]
    source = Endless(image.write(tmp_path / "head").read_bytes(), filling, ranged)
    tracemalloc.start()
    try:
        extents = find_image(source)[1].extents()
        assert len(list(islice(extents, 2))) == 2
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("size", "block", "sector", "blocks", "chunk", "entries"),
    [
        (4 << 30, MIB, 512, 4096, 4096, 4096),
        ((4 << 30) + 512, MIB, 512, 4097, 4096, 4098),
        (8 << 30, MIB, 512, 8192, 4096, 8193),
        (1 << 40, 32 * MIB, 512, 32768, 128, 32768 + 255),
        (1 << 40, 256 * MIB, 4096, 4096, 128, 4096 + 31),
        (512, MIB, 512, 1, 4096, 1),
        (0, MIB, 512, 0, 4096, 0),
    ],
)
def test_how_many_entries_a_vhdx_needs(
    size: int, block: int, sector: int, blocks: int, chunk: int, entries: int
) -> None:
    disk = Disk(size, block, sector)
    assert (disk.blocks, disk.chunk_blocks, disk.entries) == (blocks, chunk, entries)


@pytest.mark.parametrize(("data", "sum_"), [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)])
def test_crc32c(data: bytes, sum_: int) -> None:
    """The check value of the algorithm's catalogue entry, and iSCSI's (RFC 3720)."""
    assert crc32c(data) == sum_
