"""Hostile, broken and unfit VMDK: one line that a user understands, nothing is called done, nothing is left."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.images import MIB, qemu_img
from tests.transfer.imports import imported
from tests.transfer.webserver import WebServer
from tests.vmdk import (
    AT_END,
    GRAIN,
    SECTOR,
    TABLE,
    Export,
    Head,
    Part,
    Sparse,
    grain,
    marker,
    numbers,
    padded,
    write,
)

PROCESS = "Unable to process data: "
CONVERT = f"{PROCESS}Unable to convert source data to target format: "
CORRUPT = f"{CONVERT}the image is corrupt: "
INVALID = f"{PROCESS}invalid vmdk image: "
PLAIN = Sparse().head
TEXT = Sparse().description
DISK = b"".join(os.urandom(GRAIN // 2) + bytes(GRAIN // 2) for _ in range(3))
EXPORT = Export(DISK)
PARTS = EXPORT.parts()


def head(**fields: object) -> Sparse:
    return Sparse(head=replace(PLAIN, **fields))  # type: ignore[arg-type]


def described(**changes: str) -> Sparse:
    """Other settings in the description, or more."""
    lines = [line for line in TEXT.splitlines() if line.partition("=")[0] not in changes]
    return Sparse(description="\n".join([*lines, *(f"{key}={value}" for key, value in changes.items())]))


SPARSE = {
    "version 0": (head(version=0), f"{INVALID}vmdk version 0 is not known"),
    "version 4": (head(version=4), f"{INVALID}vmdk version 4 is not known"),
    "transferred as text": (head(newlines=b"\n \n\n"), f"{INVALID}it was damaged on its way"),
    "grains of 0": (head(grain=0), f"{INVALID}grains of 0 sectors are absurd"),
    "grains of 3": (head(grain=3), f"{INVALID}grains of 3 sectors are absurd"),
    "grains of 2 GiB": (head(grain=1 << 22), f"{INVALID}grains of 4194304 sectors are absurd"),
    "grains of 2^63": (head(grain=1 << 63), f"{INVALID}grains of {1 << 63} sectors are absurd"),
    "tables of 0": (head(table_entries=0), f"{INVALID}grain tables without entries are absurd"),
    "tables of 2^31": (head(table_entries=1 << 31), f"{INVALID}grain tables of 2147483648 entries are absurd"),
    "size 0": (head(capacity=0), f"{INVALID}its disk has no size"),
    "1 PiB": (head(capacity=1 << 41), f"{INVALID}a grain directory of 33554432 entries is absurd"),
    "1 PiB in large grains": (
        head(capacity=1 << 41, grain=1 << 21),
        f"{PROCESS}Unable to convert source data to target format: virtual image size {1 << 50} is larger",
    ),
    "2^64 sectors": (head(capacity=(1 << 64) - 1), f"{INVALID}a virtual size of {((1 << 64) - 1) * 512} bytes"),
    "no directory": (head(directory=0), f"{INVALID}it has no grain directory"),
    "directory at the end, not compressed": (head(directory=AT_END), f"{INVALID}only compressed images may have"),
    "directory behind the end": (head(directory=1 << 40), f"truncated: it refers to the bytes at {1 << 49}"),
    "unknown compression": (head(compression=2), f"{INVALID}compression 2 is not known"),
    "compressed without markers": (head(compression=1), f"{INVALID}its compressed grains have no markers"),
    "table behind the end": (Sparse(directory=(1 << 31,)), f"truncated: it refers to the bytes at {1 << 40}"),
    "grain behind the end": (Sparse(table=(1 << 31,)), f"truncated: it refers to the bytes at {1 << 40}"),
    "cut off in the header": (Sparse(length=500), "could not process image header: it has 500 bytes"),
    "cut off in the description": (Sparse(length=SECTOR), "is one of several files that are a disk together"),
    "cut off before the directory": (Sparse(length=21 * SECTOR), "truncated: it refers to the bytes at 10752"),
    "cut off in the table": (Sparse(length=22 * SECTOR + 4), "truncated: it refers to the bytes at 11268"),
    "cut off before the grain": (Sparse(length=128 * SECTOR), "truncated: it refers to the bytes at 65536"),
    "cut off in the grain": (Sparse(length=130 * SECTOR), "truncated: it refers to the bytes at 66560"),
    "no description": (Sparse(description=""), "is one of several files that are a disk together"),
    "description elsewhere": (head(descriptor=1 << 50), f"{INVALID}its description, 10240 bytes at"),
    "description without end": (head(descriptor_sectors=1 << 50), f"{INVALID}its description, {1 << 59} bytes at 512"),
    "two extents": (
        Sparse(description=TEXT.replace("\nRW ", '\nRW 8191 FLAT "/etc/passwd"\nRW ')),
        "is one of 2 files that are a disk together",
    ),
    "changes to a parent": (
        described(parentCID="1234abcd", parentFileNameHint='"/vmfs/base.vmdk"'),
        "is invalid because it has invalid backing file /vmfs/base.vmdk",
    ),
    "changes to a parent without a name": (described(parentCID="0"), "has invalid backing file of an unknown name"),
    "parent that is not text": (
        described(parentCID="0", parentFileNameHint='"a\x1b[31m\tb"'),
        "has invalid backing file a?[31m?b",
    ),
    "encrypted by Workstation": (described(**{"encryption.keySafe": '"vmware:key/list/"'}), "is encrypted"),
    "encrypted by vSphere": (described(**{"ddb.iofilters": '"vmwarevmcrypt"'}), "is encrypted"),
}


@pytest.mark.parametrize("way", ["", "stream/"], ids=["by range", "as a stream"])
@pytest.mark.parametrize("name", SPARSE)
def test_bad_sparse_file(name: str, way: str, web: WebServer, out: Path) -> None:
    sparse, words = SPARSE[name]
    refused(web, out, sparse.content(), words, way)


def refused(web: WebServer, out: Path, content: bytes, words: str, way: str = "stream/") -> None:
    report = imported(web.url(write(web.files / "bad.vmdk", content), way), out)
    assert report.error == "permanent"
    assert words in report.message
    assert report.message.startswith(PROCESS)
    assert report.message.isprintable()
    assert report.hint
    assert list(out.parent.iterdir()) == []


def of(*parts: Part) -> bytes:
    return b"".join(part.data for part in parts)


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
        f"{CORRUPT}its grain directory, at sector {AT_END}, is missing",
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
        lambda: Export(DISK, description=TEXT.replace("ffffffff", "00000001")).content(),
        "has invalid backing file",
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_bad_stream(name: str, web: WebServer, out: Path) -> None:
    make, words = STREAMS[name]
    refused(web, out, make(), words)


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
    refused(web, out, content, "is truncated")


def front(web: WebServer) -> bytes:
    """As QEMU writes it, with the tables first and no mark at its end."""
    (web.files / "front.raw").write_bytes(DISK)
    path = web.files / "front.vmdk"
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", web.files / "front.raw", path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (26 * SECTOR, "the image is truncated: it ends after 13312 bytes"),
        (27 * SECTOR + 100, "the image is truncated: it ends after 13924 bytes"),
        (100 * SECTOR, "the image is truncated: it ends after 51200 bytes"),
        (128 * SECTOR, "the image is truncated: 3 of the 3 parts that its tables name are missing"),
        (129 * SECTOR, "the image is truncated: it ends after 66048 bytes"),
    ],
)
def test_stream_of_qemu_cut_off(length: int, words: str, web: WebServer, out: Path) -> None:
    refused(web, out, front(web)[:length], f"{CONVERT}{words}")


def test_stream_of_qemu_cut_off_between_grains(web: WebServer, out: Path) -> None:
    content = front(web)
    size = struct.unpack_from("<I", content, 128 * SECTOR + 8)[0]
    second = 128 * SECTOR + len(padded(bytes(12 + size)))
    refused(web, out, content[:second], f"{CONVERT}the image is truncated: 2 of the 3 parts")


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
