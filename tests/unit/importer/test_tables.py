"""Any L2 table, and any way to cut an image into slices: every byte of the disk comes exactly once."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer_image.covered import Covered
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


def header(*, extended: bool, virtual_bytes: int = 1 << 40, version: int = 3, is_delta: bool = False) -> Header:
    return Header(version, 16, virtual_bytes, 3 << 16, 1, extended, "zlib", is_delta)


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


def places(found: Iterator[Run | Extent]) -> set[tuple[int, str]]:
    """Every sector-sized part of the disk that is mentioned, and as what."""
    parts: set[tuple[int, str]] = set()
    for item in found:
        kind = "zeros" if isinstance(item, Extent) else item.kind
        start, length = (item.offset, item.length) if isinstance(item, Extent) else (item.place, item.length)
        parts |= {(start + at, kind) for at in range(0, length if kind != "packed" else 1, 2 * KIB)}
    return parts


@settings(deadline=None, max_examples=30)
@given(st.lists(st.one_of(entry, packed), min_size=1, max_size=20))
def test_a_delta_does_not_mention_what_is_not_there(entries: list[int]) -> None:
    table = struct.pack(f">{len(entries)}Q", *entries)
    size = len(entries) * CLUSTER
    whole, delta = (
        places(mapped(table, 0, header(extended=False, virtual_bytes=size, is_delta=is_delta)))
        for is_delta in (False, True)
    )
    absent = {(index * CLUSTER + at, "zeros") for index, found in enumerate(entries) if found in (0, COPIED)
              for at in range(0, CLUSTER, 2 * KIB)}  # fmt: skip
    assert delta == whole - absent


@settings(deadline=None, max_examples=30)
@given(st.lists(subclusters(), min_size=1, max_size=6))
def test_a_delta_does_not_mention_subclusters_that_are_not_there(entries: list[tuple[int, int]]) -> None:
    table = struct.pack(f">{2 * len(entries)}Q", *(word for pair in entries for word in pair))
    size = len(entries) * CLUSTER
    delta = places(mapped(table, 0, header(extended=True, virtual_bytes=size, is_delta=True)))
    wanted = {
        (index * CLUSTER + number * 2 * KIB, "data" if bitmap >> number & 1 else "zeros")
        for index, (_, bitmap) in enumerate(entries)
        for number in range(32)
        if (bitmap | bitmap >> 32) >> number & 1
    }
    assert delta == wanted


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 8191), max_size=9), st.booleans(), st.booleans())
def test_only_the_rest_comes(pair: tuple[bytes, bytes], cuts: set[int], ranged: bool, aligned: bool) -> None:
    """An earlier attempt has left some of the disk; what it had not finished is anything."""
    content, expected = pair
    step = len(expected) // 8192 if aligned else len(expected) // 8192 - 1
    covered = Covered(sorted(cut * step for cut in list(cuts)[: len(cuts) // 2 * 2]))
    found = bytearray(expected)
    for start, end in covered.gaps(0, len(expected)):
        found[start:end] = b"\xee" * (end - start)
    source = Sliced(content, [MIB], ranged)
    for offset, length, piece in Qcow2(source, content[:4096]).rest(covered):
        found[offset : offset + length] = bytes(length) if piece is None else bytes(piece)
    assert found == expected


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_what_is_done_is_not_read(pair: tuple[bytes, bytes], share: float) -> None:
    content, expected = pair
    done = Covered()
    done.add(0, int(share * len(expected)))
    whole, rest = Sliced(content, [MIB], ranged=True), Sliced(content, [MIB], ranged=True)
    assert list(Qcow2(whole, content[:4096]).extents())
    assert list(Qcow2(rest, content[:4096]).rest(done)) or share == 1
    assert rest.read_bytes <= (1 - share) * whole.read_bytes + len(content) // 8
