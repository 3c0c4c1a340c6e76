"""VHD, which QEMU calls vpc: the dynamic disks of Virtual PC, Hyper-V, XenServer and Azure.

A footer, whose copy is the beginning of the file; a header; a table with the place of each block; and blocks, each
behind a bitmap of its sectors. As QEMU does, we take all sectors of a block: what its bitmap leaves out is zeros.
A fixed disk is a raw one with a footer at its end: see `without_footer`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Extents
from importer_image.format.mapped import DATA, NOTHING, Done, Found, Item, as_it_is, entries_of, in_parts, joined, read
from importer_image.format.placement import Piece, Run
from importer_image.format.safety import invalid_image, no_parent

if TYPE_CHECKING:
    from importer_image.source import Source

HEADER, TABLE = "header", "table"
SECTOR_BYTES = 512
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
UNUSED = 0xFFFF_FFFF
MOST_SECTORS = 0xFF00_0000
"""2040 GiB."""
MOST_ENTRIES = (1 << 31) // 4
LARGEST_GEOMETRY = 65535 * 16 * 255
"""In sectors: the geometry of every larger disk, so it says nothing."""
COUNT_BYTES = (b"qem2", b"win ", b"d2v ", b"CTXS", b"tap\0", b"wa\0\0")
"""Creators (QEMU, Hyper-V, Disk2vhd, two of Xen's, Azure) whose disks are as large as the footer says. All others mean
the geometry, as Virtual PC does. This is how QEMU tells them apart, Azure since version 10."""

_FOOTER = struct.Struct(">8s8xQ4x4s16xQHBBI")
_CHECKSUM = 64
_HEADER = struct.Struct(">8s8xQ4xII")
_PARENT_NAME = slice(64, 576)


class Footer(NamedTuple):
    cookie: bytes
    header_offset: int
    creator: bytes
    size: int
    cylinders: int
    heads: int
    sectors: int
    kind: int

    @property
    def virtual_bytes(self) -> int:
        geometry = self.cylinders * self.heads * self.sectors
        if self.creator in COUNT_BYTES or geometry == LARGEST_GEOMETRY:
            return self.size // SECTOR_BYTES * SECTOR_BYTES
        return geometry * SECTOR_BYTES


@dataclass(frozen=True)
class Table:
    """Where the blocks are."""

    offset: int
    block_bytes: int

    @property
    def bitmap_bytes(self) -> int:
        sectors = self.block_bytes // SECTOR_BYTES
        return -(-sectors // 8 // SECTOR_BYTES) * SECTOR_BYTES


def footer_of(sector: bytes) -> Footer | None:
    """Of the sector that it fills; None where its sum says that this is none."""
    footer = Footer(*_FOOTER.unpack_from(sector))
    (checksum,) = struct.unpack_from(">I", sector, _CHECKSUM)
    total = sum(sector[:SECTOR_BYTES]) - sum(sector[_CHECKSUM : _CHECKSUM + 4])
    return footer if checksum == ~total & 0xFFFF_FFFF else None


def parse(head: bytes) -> Footer:
    """`head` is the beginning of the image. Raises Permanent for what must not be imported."""
    footer = footer_of(head)
    if footer is None:
        raise _invalid("the checksum of its footer is wrong")
    if footer.kind not in (DYNAMIC, DIFFERENCING):
        raise _invalid(f"a disk of type {footer.kind} does not begin with a footer")
    if footer.virtual_bytes > MOST_SECTORS * SECTOR_BYTES:
        raise _invalid(f"a virtual size of {footer.virtual_bytes} bytes is more than 2040 GiB")
    return footer


def table_of(header: bytes, footer: Footer, image: str) -> Table:
    magic, offset, entries, block_bytes = _HEADER.unpack_from(header)
    if magic != b"cxsparse":
        raise _invalid(f"there is no header at byte {footer.header_offset}")
    if footer.kind == DIFFERENCING:
        no_parent(image, header[_PARENT_NAME].decode("utf-16-be", "replace").rstrip("\0"))
    if block_bytes < SECTOR_BYTES or block_bytes & block_bytes - 1:
        raise _invalid(f"blocks of {block_bytes} bytes are absurd")
    if entries > MOST_ENTRIES:
        raise _invalid(f"a table of {entries} entries is absurd")
    if entries * block_bytes < footer.virtual_bytes:
        raise _invalid(f"its {entries} blocks do not hold the {footer.virtual_bytes} bytes of the disk")
    return Table(offset, block_bytes)


class Vpc:
    name = "vpc"

    def __init__(self, source: Source, head: bytes) -> None:
        self._source = source
        self._footer = parse(head)
        self._table = Table(0, 0)
        self.virtual_bytes = self._footer.virtual_bytes

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        header = Run(self._footer.header_offset, 1024, HEADER, 0, whole=True)
        yield from read(self._source, [header], self._use, done=Done(covered))

    def _use(self, piece: Piece) -> Iterable[Item]:
        if piece.kind == HEADER:
            self._table = table_of(bytes(piece.data), self._footer, self._source.name)
            blocks = -(-self.virtual_bytes // self._table.block_bytes)
            return in_parts(self._table.offset, blocks, 4, TABLE)
        if piece.kind == TABLE:
            return joined(self._blocks(piece), self.virtual_bytes)
        return as_it_is(piece)

    def _blocks(self, part: Piece) -> Iterator[Found]:
        length, bitmap_bytes = self._table.block_bytes, self._table.bitmap_bytes
        for index, sector in enumerate(entries_of(part.data, "I", "big"), part.place):
            offset = sector * SECTOR_BYTES + bitmap_bytes if sector != UNUSED else NOTHING
            yield offset, length, index * length, DATA


def _invalid(reason: str) -> Permanent:
    return invalid_image("vpc", reason)
