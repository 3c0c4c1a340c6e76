"""From the entries of a grain table to runs of the file and zeros of the disk. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise

from importer_image.extent import Buffer
from importer_image.format.mapped import DATA, NOTHING, PACKED, Found, Item, entries_of, joined
from importer_image.format.vmdk.header import MARKER, SECTOR_BYTES, Header

ZERO_GRAIN = 1


def grains_of(entries: array[int], header: Header) -> array[int]:
    """The sectors of the grains that are there; 0 for those that are not, and those that are said to be zeros."""
    if header.zero_grains and ZERO_GRAIN in entries:
        return array("I", (entry if entry != ZERO_GRAIN else 0 for entry in entries))
    return entries


def mapped(table: Buffer, guest: int, header: Header) -> Iterator[Item]:
    """What the grain table for the part of the disk at `guest` says. They cover that part of the disk exactly once."""
    sectors = grains_of(entries_of(table, "I", "little"), header)
    found = _packed(sectors, guest, header) if header.compressed else _grains(sectors, guest, header)
    return joined(found, header.virtual_bytes)


def _packed(sectors: array[int], guest: int, header: Header) -> Iterator[Found]:
    """No table says how long a compressed grain is: not longer than the longest, and mostly up to the next one."""
    ordered = sorted({*sectors})
    following = dict(pairwise(ordered))
    longest = -(-(MARKER.size + header.packed_limit_bytes) // SECTOR_BYTES)
    for sector in sectors:
        if sector:
            length = min(following.get(sector, sector + longest) - sector, longest)
            yield sector * SECTOR_BYTES, length * SECTOR_BYTES, guest, PACKED
        else:
            yield NOTHING, header.grain_bytes, guest, DATA
        guest += header.grain_bytes


def _grains(sectors: array[int], guest: int, header: Header) -> Iterator[Found]:
    length = header.grain_bytes
    for sector in sectors:
        yield sector * SECTOR_BYTES if sector else NOTHING, length, guest, DATA
        guest += length
