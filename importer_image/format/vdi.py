"""VDI, VirtualBox's format: a header, a map with one number a block, and blocks of 1 MiB in any order.

As QEMU reads it: the disk is full at the latest when all blocks are, other block sizes than VirtualBox's are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Extents
from importer_image.format.mapped import DATA, NOTHING, Done, Found, Item, as_it_is, entries_of, in_parts, joined, read
from importer_image.format.placement import Piece
from importer_image.format.safety import invalid_image, no_parent

if TYPE_CHECKING:
    from importer_image.source import Source

MAP = "map"
SECTOR_BYTES = 512
BLOCK_BYTES = 1 << 20
MOST_BLOCKS = 0x3FFF_FFFF
"""1 PiB."""
DISCARDED = 0xFFFF_FFFE
"""From here on a number stands for zeros: a block that was discarded, or that never was."""
VERSION = 1 << 16 | 1
DYNAMIC, STATIC, UNDO, DIFFERENCING = 1, 2, 3, 4

_AT = 0x44
_HEADER = struct.Struct("<I4xI4x256xII12xI4xQI4xI4x32x16s16s")
"""Version, type; map, data; sector, disk, block in bytes, blocks; link, parent."""


@dataclass(frozen=True)
class Header:
    virtual_bytes: int
    map_offset: int
    data_offset: int

    @property
    def blocks(self) -> int:
        """How many of the map the disk needs."""
        return -(-self.virtual_bytes // BLOCK_BYTES)


def parse(head: bytes, image: str) -> Header:
    """`head` is the beginning of the image. Raises Permanent for what must not be imported."""
    version, kind, map_offset, data_offset, sector_bytes, size, block_bytes, blocks, link, parent = _HEADER.unpack_from(
        head, _AT
    )
    if version != VERSION:
        raise _invalid(f"version {version >> 16}.{version & 0xFFFF} is not known")
    if kind in (UNDO, DIFFERENCING) or any(link) or any(parent):
        other = UUID(bytes_le=link if any(link) else parent)
        no_parent(image, str(other) if other.int else "(it is a differencing disk)")
    if kind not in (DYNAMIC, STATIC):
        raise _invalid(f"image type {kind} is not known")
    if sector_bytes != SECTOR_BYTES:
        raise _invalid(f"sectors of {sector_bytes} bytes are not supported")
    if block_bytes != BLOCK_BYTES:
        raise _invalid(f"blocks of {block_bytes} bytes are not supported, only those of 1 MiB")
    if map_offset % SECTOR_BYTES or data_offset % SECTOR_BYTES:
        raise _invalid("its map or its data does not begin with a sector")
    if blocks > MOST_BLOCKS:
        raise _invalid(f"{blocks} blocks are too many")
    if size > blocks * BLOCK_BYTES:
        raise _invalid(f"its {blocks} blocks do not hold the {size} bytes of the disk")
    # VBoxManage convertfromraw makes disks of odd sizes; the last sector is whole all the same.
    return Header(-(-size // SECTOR_BYTES) * SECTOR_BYTES, map_offset, data_offset)


class Vdi:
    name = "vdi"

    def __init__(self, source: Source, head: bytes) -> None:
        self._source = source
        self._header = parse(head, source.name)
        self.virtual_bytes = self._header.virtual_bytes

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        first = in_parts(self._header.map_offset, self._header.blocks, 4, MAP)
        yield from read(self._source, first, self._use, done=Done(covered, BLOCK_BYTES))

    def _use(self, piece: Piece) -> Iterable[Item]:
        if piece.kind == MAP:
            return joined(self._blocks(piece), self.virtual_bytes)
        return as_it_is(piece)

    def _blocks(self, part: Piece) -> Iterator[Found]:
        base = self._header.data_offset
        for index, number in enumerate(entries_of(part.data, "I", "little"), part.place):
            offset = base + number * BLOCK_BYTES if number < DISCARDED else NOTHING
            yield offset, BLOCK_BYTES, index * BLOCK_BYTES, DATA


def _invalid(reason: str) -> Permanent:
    return invalid_image("vdi", reason)
