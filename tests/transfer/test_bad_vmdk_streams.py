"""Compressed VMDK that is broken, cut off or made to do harm: none is taken for a disk."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images import MIB, qemu_img
from tests.transfer.imports import imported, refused
from tests.transfer.webserver import WebServer
from tests.vmdk import (
    GRAIN,
    SECTOR,
    TABLE,
    Export,
    Head,
    grain,
    marker,
    numbers,
    padded,
    write,
)

CONVERT = "Unable to process data: Unable to convert source data to target format: "
CORRUPT = f"{CONVERT}the image is corrupt: "
INVALID = "Unable to process data: invalid vmdk image: "
DISK = b"".join(os.urandom(GRAIN // 2) + bytes(GRAIN // 2) for _ in range(3))
EXPORT = Export(DISK)
PARTS = EXPORT.parts()


def edited(**changes: bytes | None) -> bytes:
    """The export with other bytes in place of parts, `grain_1=b"..."`; None leaves one out.

    What is shorter is followed by zeros, so that all else stays where it is.
    """
    names = {part.name.replace(" ", "_"): part.data for part in PARTS}
    assert changes.keys() <= names.keys()
    return b"".join((changes.get(name, data) or b"").ljust(len(data), b"\0") for name, data in names.items())


def raw_grain(sector: int, size: int, body: bytes) -> bytes:
    return padded(struct.pack("<QI", sector, size) + body)


def packed(data: bytes, sector: int = 128) -> bytes:
    body = zlib.compress(data, 9)
    return raw_grain(sector, len(body), body)


def named(name: str) -> bytes:
    return next(part.data for part in PARTS if part.name == name)


def wrong_sum() -> bytes:
    body = bytearray(zlib.compress(DISK[GRAIN : 2 * GRAIN]))
    body[-1] ^= 1
    return raw_grain(128, len(body), bytes(body))


STREAMS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a grain twice": (lambda: edited(grain_1=named("grain 1") * 2), f"{CORRUPT}the grain at 65536 comes twice"),
    "a grain missing": (lambda: edited(grain_1=None), f"{CONVERT}the image is truncated: 1 of the 3 parts"),
    "a grain that no table names": (
        lambda: edited(table_0=grain(5, DISK[:GRAIN]) + named("table 0")),
        f"{CORRUPT}",
    ),
    "a grain at another place": (
        lambda: edited(grain_1=grain(7, DISK[GRAIN : 2 * GRAIN])),
        f"{CORRUPT}its tables do not name the grains that it holds",
    ),
    "grains that changed places": (
        lambda: edited(grain_0=grain(1, DISK[:GRAIN]), grain_1=grain(0, DISK[GRAIN : 2 * GRAIN])),
        f"{CORRUPT}its tables do not name the grains that it holds",
    ),
    "a grain behind the disk": (
        lambda: edited(grain_1=grain(64, DISK[:GRAIN])),
        f"{CORRUPT}a grain for the sector 8192 lies behind the disk's end",
    ),
    "a grain at 2^63": (
        lambda: edited(grain_1=raw_grain(1 << 63, 9, b"x")),
        f"{CORRUPT}a grain for the sector {1 << 63}",
    ),
    "a grain between grains": (
        lambda: edited(grain_1=raw_grain(129, 9, b"x")),
        f"{CORRUPT}a grain for the sector 129 with 9 bytes is absurd",
    ),
    "a grain of 4 GiB": (
        lambda: edited(grain_1=raw_grain(128, 0xFFFF_FFFF, b"x")),
        f"{CORRUPT}a grain for the sector 128 with 4294967295 bytes is absurd",
    ),
    "garbage in a grain": (
        lambda: edited(grain_1=raw_grain(128, 400, b"\xff" * 400)),
        f"{CORRUPT}the compressed grain at 65536 cannot be decoded",
    ),
    "a grain cut short": (
        lambda: edited(grain_1=raw_grain(128, 500, zlib.compress(DISK[:GRAIN])[:500])),
        f"{CORRUPT}the compressed grain at 65536 does not hold 65536 bytes",
    ),
    "a grain with a wrong sum": (
        lambda: edited(grain_1=wrong_sum()),
        f"{CORRUPT}the compressed grain at 65536 cannot be decoded",
    ),
    "a small grain": (
        lambda: edited(grain_1=packed(b"x" * 512)),
        f"{CORRUPT}the compressed grain at 65536 does not hold 65536 bytes",
    ),
    "a bomb": (
        lambda: edited(grain_1=packed(bytes(20 * MIB))),
        f"{CORRUPT}the compressed grain at 65536 does not hold 65536 bytes",
    ),
    "no directory": (lambda: edited(directory=None), f"{CORRUPT}its grain directory, at sector "),
    "many directories": (
        lambda: edited(directory=named("directory") * 3),
        f"{CORRUPT}it has too many grain directories",
    ),
    "no table": (lambda: edited(table_0=None), f"{CORRUPT}"),
    "many tables": (lambda: edited(table_0=named("table 0") * 9), f"{CORRUPT}it has more grain tables than"),
    "a table of nothing": (
        lambda: edited(table_0=marker(TABLE, 4) + numbers([0] * 512)),
        f"{CORRUPT}its tables do not name the grains that it holds",
    ),
    "a table of half a table": (
        lambda: edited(table_0=marker(TABLE, 1) + named("table 0")[SECTOR:]),
        f"{CORRUPT}a marker for 1 sectors is followed by more",
    ),
    "a table of 2^55 sectors": (
        lambda: edited(table_0=marker(TABLE, 1 << 55) + named("table 0")[SECTOR:]),
        f"{CORRUPT}it has more grain tables than",
    ),
    "a directory that names no table": (
        lambda: edited(directory=named("directory")[:SECTOR] + numbers([77])),
        f"{CORRUPT}the grain table at sector 77 is missing",
    ),
    "no footer": (lambda: edited(footer=None), f"{CONVERT}the image is truncated"),
    "a footer that is none": (
        lambda: edited(footer=named("footer")[:SECTOR] + bytes(SECTOR)),
        f"{CORRUPT}its footer is no header",
    ),
    "a footer of another disk": (
        lambda: Export(DISK, footer=Head(capacity=9000, directory=1)).content(),
        f"{CORRUPT}its footer contradicts its header",
    ),
    "a footer without a directory": (
        lambda: Export(DISK, footer=Head()).content(),
        f"{CORRUPT}its footer does not say where its grain directory is",
    ),
    "what nobody knows, without end": (
        lambda: edited(table_0=marker(77, 1 << 50)),
        f"{CONVERT}the image is truncated: it ends after",
    ),
    "overhead without end": (
        lambda: edited(header=Head(overhead=1 << 60).packed()),
        f"{CONVERT}the image is truncated: it ends after",
    ),
    "grains of 4 MiB": (
        lambda: edited(header=Head(grain=8192).packed()),
        f"{INVALID}grains of 8192 sectors are absurd: it must be a power of two of at most 4096",
    ),
    "changes to a parent": (
        lambda: Export(DISK, description="# Disk DescriptorFile\nparentCID=00000001").content(),
        "has invalid backing file",
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_bad_stream(name: str, web: WebServer, out: Path) -> None:
    make, words = STREAMS[name]
    refused(web.url(write(web.files / "bad.vmdk", make()), "stream/"), out, words)


CUTS = [
    (part.name, sum(len(each.data) for each in PARTS[:index]) + inside)
    for index, part in enumerate(PARTS)
    for inside in (0, len(part.data) // 2)
    if index
]


@pytest.mark.parametrize(("part", "length"), CUTS, ids=[f"{part} {length}" for part, length in CUTS])
def test_stream_cut_off(part: str, length: int, web: WebServer, out: Path) -> None:
    content = EXPORT.content()[:length]
    assert len(content) == length
    refused(web.url(write(web.files / "bad.vmdk", content), "stream/"), out, "is truncated")


def front(web: WebServer, length: int) -> str:
    """As QEMU writes it, with the tables first and no mark at its end; so many bytes of it."""
    raw, path = write(web.files / "front.raw", DISK), web.files / "front.vmdk"
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, path)
    os.truncate(path, length)
    return web.url(path, "stream/")


FIRST_GRAIN = 128 * SECTOR


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (26 * SECTOR, "it ends after 13312 bytes"),
        (27 * SECTOR + 100, "it ends after 13924 bytes"),
        (100 * SECTOR, "it ends after 51200 bytes"),
        (FIRST_GRAIN, "3 of the 3 parts that its tables name are missing"),
        (FIRST_GRAIN + SECTOR, "it ends after 66048 bytes"),
        (FIRST_GRAIN + len(grain(0, DISK[:GRAIN])), "2 of the 3 parts that its tables name are missing"),
    ],
)
def test_stream_of_qemu_cut_off(length: int, words: str, web: WebServer, out: Path) -> None:
    refused(front(web, length), out, f"{CONVERT}the image is truncated: {words}")


@pytest.mark.parametrize(
    "content",
    [
        EXPORT.content() + b"x" * 5000,
        edited(description=b"no text that anybody wrote, but long enough to be one"),
        Export(DISK, Head(overhead=0)).content(),
        Export(DISK, Head(version=1)).content(),
        edited(header=Head(flags=3 << 16, newlines=b"abcd").packed()),
        edited(header=Head(overhead=22).packed()),
    ],
    ids=["more after the end", "description of nothing", "no overhead", "version 1", "no newlines", "zeros in front"],
)
def test_odd_but_good_streams(content: bytes, web: WebServer, out: Path) -> None:
    assert imported(web.url(write(web.files / "odd.vmdk", content)), out).message == "Import Complete"
    assert out.read_bytes() == DISK + bytes(4 * MIB - len(DISK))
