"""From the entries of an L2 table to runs of the image file and zeros of the disk. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from importer_image.extent import Buffer
from importer_image.format.mapped import DATA, NOTHING, PACKED, UNCHANGED, Found, Item, corrupt, entries_of, joined
from importer_image.format.qcow2.header import SECTOR_BYTES, Header

OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
COMPRESSED = 1 << 62
ALL_ZERO = 1
SUBCLUSTERS = 32
ALL_SUBCLUSTERS = (1 << SUBCLUSTERS) - 1


def table_offset(entry: int, header: Header) -> int:
    """Where the L2 table of an L1 entry lies; 0 for none."""
    offset = entry & OFFSET_MASK
    if offset % header.cluster_bytes:
        raise corrupt(f"an L2 table lies at {offset}, which is not the beginning of a cluster")
    return offset


def mapped(table: Buffer, guest: int, header: Header) -> Iterator[Item]:
    """What the L2 table for the part of the disk at `guest` says: data as runs of the file, the rest as zero extents.

    They cover that part of the disk exactly once, or what a delta changes of it. Raises Permanent for entries that make
    no sense.
    """
    clusters = min(header.l2_entries, -(-(header.virtual_bytes - guest) // header.cluster_bytes))
    numbers = entries_of(memoryview(table)[: clusters * (16 if header.extended_l2 else 8)], "Q", "big")
    found = _with_subclusters(numbers, guest, header) if header.extended_l2 else _clusters(numbers, guest, header)
    return joined(found, header.virtual_bytes)


def _clusters(entries: array[int], guest: int, header: Header) -> Iterator[Found]:
    length = header.cluster_bytes
    unaligned = length - 1
    plain_zero = header.version == 2
    absent = UNCHANGED if header.is_delta else NOTHING
    for entry in entries:
        offset = entry & OFFSET_MASK
        if entry & COMPRESSED:
            yield _packed(entry, guest, header)
        elif entry & ALL_ZERO:
            if plain_zero:
                raise corrupt(f"a zero cluster at {guest} in an image of version 2")
            yield NOTHING, length, guest, DATA
        elif not offset:
            yield absent, length, guest, DATA
        elif offset & unaligned:
            raise corrupt(f"the data of the cluster at {guest} lies at {offset}, not at the beginning of a cluster")
        else:
            yield offset, length, guest, DATA
        guest += length


def _with_subclusters(words: array[int], guest: int, header: Header) -> Iterator[Found]:
    length = header.cluster_bytes
    part = length // SUBCLUSTERS
    absent = UNCHANGED if header.is_delta else NOTHING
    for entry, bitmap in zip(words[::2], words[1::2], strict=True):
        offset = entry & OFFSET_MASK
        allocated, zero = bitmap & ALL_SUBCLUSTERS, bitmap >> SUBCLUSTERS
        if entry & COMPRESSED:
            if bitmap:
                raise corrupt(f"the compressed cluster at {guest} has subclusters")
            yield _packed(entry, guest, header)
        elif allocated & zero or offset % length or (allocated and not offset):
            raise corrupt(f"the subclusters of the cluster at {guest} contradict each other")
        elif not allocated and zero in (0, ALL_SUBCLUSTERS):
            yield NOTHING if zero else absent, length, guest, DATA
        elif allocated == ALL_SUBCLUSTERS:
            yield offset, length, guest, DATA
        else:
            for index in range(SUBCLUSTERS):
                at = index * part
                missing = NOTHING if zero >> index & 1 else absent
                yield offset + at if allocated >> index & 1 else missing, part, guest + at, DATA
        guest += length


def _packed(entry: int, guest: int, header: Header) -> Found:
    """A compressed cluster lies anywhere in the file; its length is counted in sectors that it touches."""
    bits = 62 - (header.cluster_bits - 8)
    offset = entry & (1 << bits) - 1
    sectors = (entry & COMPRESSED - 1) >> bits
    return offset, (sectors + 1) * SECTOR_BYTES - offset % SECTOR_BYTES, guest, PACKED
