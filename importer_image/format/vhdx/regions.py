"""The beginning of a VHDX file: two headers and a region table. Pure.

There are two headers for a crash in the middle of writing one: what has a wrong checksum does not count, and of two the
one that was written later does. The region table has a copy as well; like QEMU we do without it, since nothing writes
there once the file is made.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

from importer_image.errors import Permanent
from importer_image.extent import Buffer
from importer_image.format.safety import invalid_image

HEADERS_OFFSET, HEADERS_BYTES = 64 << 10, 192 << 10
"""Where in the file all three are."""
HEADER_BYTES, TABLE_BYTES = 4 << 10, 64 << 10
MOST_ENTRIES = 2047
ALIGNMENT_BYTES = 1 << 20
LEAST_METADATA_BYTES = 64 << 10
"""Its table. Of a region of no length nothing would ever come that tells the size of the disk."""
REQUIRED = 1
BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")

_HEADER = struct.Struct("<4s4xQ32x16sHHIQ")
_TABLE = struct.Struct("<4s4xI4x")
_ENTRY = struct.Struct("<16sQII")
_LOG_ENTRY = struct.Struct("<4s28x16s")
LOG_SECTOR_BYTES = 4 << 10


class Region(NamedTuple):
    offset: int
    length: int

    def overlaps(self, other: Region) -> bool:
        return self.offset < other.offset + other.length and other.offset < self.offset + self.length


@dataclass(frozen=True)
class Regions:
    log: Region
    """Of length 0 where there is nothing in it."""
    log_id: bytes
    bat: Region
    metadata: Region


def parse(area: Buffer) -> Regions:
    """`area` is the HEADERS_BYTES at HEADERS_OFFSET. Raises Permanent for what must not be imported."""
    log, log_id = _log_of(area)
    found: dict[UUID, Region] = {}
    table = memoryview(area)[128 << 10 : (128 << 10) + TABLE_BYTES]
    if not sealed(table, b"regi"):
        raise invalid("it has no valid region table")
    for name, region, required in _regions(table):
        if name in found:
            raise invalid("it has two regions of one kind")
        if name in (BAT, METADATA):
            if region.offset < ALIGNMENT_BYTES or region.offset % ALIGNMENT_BYTES:
                raise invalid(f"a region lies at {region.offset}, which is not at a whole MiB")
            found[name] = region
        elif required:
            raise invalid(f"it needs the region {name}, which is not known")
    if BAT not in found or METADATA not in found:
        raise invalid("it has no metadata or no block allocation table")
    if found[METADATA].length < LEAST_METADATA_BYTES:
        raise invalid(f"metadata of {found[METADATA].length} bytes is too little")
    if any(one.overlaps(other) for one, other in combinations((log, found[BAT], found[METADATA]), 2)):
        raise invalid("two of its log, its metadata and its block allocation table overlap")
    return Regions(log if any(log_id) else Region(0, 0), log_id, found[BAT], found[METADATA])


def in_the_log(part: Buffer, log_id: bytes) -> bool:
    """Whether there are entries of this log: changes that may not be in the tables yet."""
    return any(
        _LOG_ENTRY.unpack_from(part, offset) == (b"loge", log_id)
        for offset in range(0, len(part) - LOG_SECTOR_BYTES + 1, LOG_SECTOR_BYTES)
    )


def _log_of(area: Buffer) -> tuple[Region, bytes]:
    headers = [
        (*_HEADER.unpack_from(header), bytes(header))
        for offset in (0, 64 << 10)
        if sealed(header := memoryview(area)[offset : offset + HEADER_BYTES], b"head")
    ]
    if not headers:
        raise invalid("it has no valid header")
    _, number, log_id, log_version, version, length, offset, content = max(headers, key=lambda header: header[1])
    if any(other[1] == number and other[-1] != content for other in headers):
        raise invalid("its two headers have the same age but not the same content")
    if version != 1:
        raise invalid(f"version {version} is not known")
    if log_version:
        raise invalid(f"version {log_version} of the log is not known")
    in_use = any(log_id) and length
    if offset % ALIGNMENT_BYTES or not offset or (in_use and length % ALIGNMENT_BYTES):
        raise invalid(f"a log of {length} bytes at {offset} is absurd")
    return Region(offset, length), log_id


def _regions(table: memoryview) -> Iterator[tuple[UUID, Region, bool]]:
    _, entries = _TABLE.unpack_from(table)
    if entries > MOST_ENTRIES:
        raise invalid(f"a table of {entries} regions is absurd")
    for index in range(entries):
        name, offset, length, bits = _ENTRY.unpack_from(table, _TABLE.size + index * _ENTRY.size)
        yield UUID(bytes_le=name), Region(offset, length), bool(bits & REQUIRED)


def sealed(block: memoryview, signature: bytes) -> bool:
    """Whether it is what it should be, and its checksum, behind the signature, is right."""
    content = bytes(block)
    return content[:4] == signature and crc32c(content[:4] + bytes(4) + content[8:]) == int.from_bytes(
        content[4:8], "little"
    )


def crc32c(data: bytes) -> int:
    """Castagnoli's, which zlib does not have. 64 KiB, the most there is to check, take 4 ms."""
    table, found = _crc32c_table(), 0xFFFF_FFFF
    for byte in data:
        found = table[(found ^ byte) & 0xFF] ^ found >> 8
    return found ^ 0xFFFF_FFFF


@cache
def _crc32c_table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F6_3B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


def invalid(reason: str) -> Permanent:
    return invalid_image("vhdx", reason)
