"""Any L2 table, and any way to cut an image into slices: every byte of the disk comes exactly once."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer_image.extent import Extent
from importer_image.format.placement import Run
from importer_image.format.qcow2.decoder import Qcow2
from importer_image.format.qcow2.header import Header
from importer_image.format.qcow2.tables import mapped
from tests import images
from tests.images import KIB, MIB, disk, qemu_img
from tests.unit.importer.sliced import Sliced, contents

CLUSTER = 64 * KIB
COMPRESSED = 1 << 62
COPIED = 1 << 63


def header(*, extended: bool, virtual_bytes: int = 1 << 40, version: int = 3) -> Header:
    return Header(version, 16, virtual_bytes, 3 << 16, 1, extended, "zlib")


offsets = st.integers(1, 40).map(lambda number: number * CLUSTER)
data = offsets.map(lambda offset: offset | COPIED)
entry = st.one_of(st.just(0), st.just(1), offsets.map(lambda offset: offset | 1), offsets, data, data, data)
packed = st.integers(1, 1 << 40).map(lambda offset: COMPRESSED | 3 << 54 | offset)
bits = st.integers(0, (1 << 32) - 1)


@st.composite
def subclusters(draw: st.DrawFn) -> tuple[int, int]:
    allocated = draw(st.one_of(st.just(0), st.just((1 << 32) - 1), bits))
    zero = draw(bits) & ~allocated
    return (draw(offsets) if allocated else 0) | COPIED, zero << 32 | allocated


def tiles(found: Sequence[Run | Extent], guest: int, end: int) -> bool:
    """Whether these lie side by side from one place of the disk to another. A compressed cluster is one cluster."""
    for item in found:
        if isinstance(item, Extent):
            place, length = item.offset, item.length
        else:
            place, length = item.place, min(CLUSTER, end - item.place) if item.whole else item.length
        if place != guest or length <= 0:
            return False
        guest += length
    return guest == end


@settings(deadline=None)
@given(st.lists(st.one_of(entry, packed), min_size=1, max_size=20), st.integers(1, CLUSTER))
def test_entries_cover_the_disk_once(entries: list[int], last: int) -> None:
    table = struct.pack(f">{len(entries)}Q", *entries)
    end = (len(entries) - 1) * CLUSTER + last
    found = list(mapped(table, 0, header(extended=False, virtual_bytes=end)))
    assert tiles(found, 0, end)


@settings(deadline=None)
@given(st.lists(subclusters(), min_size=1, max_size=20), st.integers(1, CLUSTER))
def test_subclusters_cover_the_disk_once(entries: list[tuple[int, int]], last: int) -> None:
    table = b"".join(struct.pack(">2Q", *each) for each in entries)
    end = (len(entries) - 1) * CLUSTER + last
    assert tiles(list(mapped(table, 0, header(extended=True, virtual_bytes=end))), 0, end)
    found = mapped(table, 0, header(extended=True, virtual_bytes=len(entries) * CLUSTER))
    allocated = sum((bitmap & 0xFFFFFFFF).bit_count() for _, bitmap in entries)
    assert sum(run.length for run in found if isinstance(run, Run)) == allocated * CLUSTER // 32


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([5, 6, 7], [Run(5 * CLUSTER, 3 * CLUSTER, "data", 0)]),
        ([5, 7], [Run(5 * CLUSTER, CLUSTER, "data", 0), Run(7 * CLUSTER, CLUSTER, "data", CLUSTER)]),
        ([0, 0, 5], [Extent(0, 2 * CLUSTER, None), Run(5 * CLUSTER, CLUSTER, "data", 2 * CLUSTER)]),
        ([6, 5], [Run(6 * CLUSTER, CLUSTER, "data", 0), Run(5 * CLUSTER, CLUSTER, "data", CLUSTER)]),
    ],
)
def test_neighbours_are_joined(entries: list[int], found: list[Run | Extent]) -> None:
    table = struct.pack(f">{len(entries)}Q", *(number * CLUSTER for number in entries))
    assert list(mapped(table, 0, header(extended=False, virtual_bytes=len(entries) * CLUSTER))) == found


MAKE = {
    "written by a guest": lambda raw, path: images.lived_in(path, 7),
    "subclusters": lambda raw, path: images.lived_in(path, 8, "extended_l2=on", "cluster_size=16k"),
    "compressed": lambda raw, path: images.qcow2(raw, path, "cluster_size=4k", packed=True),
    "compressed and plain": images.repacked,
}


@pytest.fixture(scope="module", params=MAKE)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """An image, and what QEMU reads from it."""
    home: Path = tmp_path_factory.mktemp("pair")
    path = home / "image.qcow2"
    MAKE[request.param](disk(home / "source.raw", 4 * MIB), path)
    qemu_img("convert", "-f", "qcow2", "-O", "raw", path, home / "disk.raw")
    return path.read_bytes(), (home / "disk.raw").read_bytes()


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.integers(1, 5000), st.integers(5000, MIB)), min_size=1, max_size=9).filter(
        lambda sizes: sum(sizes) > 3000 * len(sizes)
    ),
    st.booleans(),
)
def test_however_it_is_cut(pair: tuple[bytes, bytes], sizes: list[int], ranged: bool) -> None:
    content, expected = pair
    assert contents(Qcow2(Sliced(content, sizes, ranged), content[:4096])) == expected
