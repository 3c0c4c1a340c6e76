"""The raw format: what comes is what the disk holds.

But for the footer of a fixed VHD, which is a raw disk with 512 bytes behind its end (what Azure exports). The reference
takes these for a part of the disk (spec 11, quirk 19): such a disk does not fit into the volume that is made for it,
and the backup of its partition table is not where it belongs. We leave them out. They are known only when the source is
at its end, so a last sector that begins like a footer is kept back until then; no byte is asked for twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from importer_image.covered import UNTOUCHED, Covered
from importer_image.extent import Buffer, Extent, Extents
from importer_image.format.interleave import interleaved
from importer_image.source import about

if TYPE_CHECKING:
    from importer_image.source import Source

FOOTER_COOKIE = b"conectix"
SECTOR_BYTES = 512
GRAIN_BYTES = 64 << 10
"""What decompressors and archives bring may begin and end anywhere. A device reads a block of which it gets a part, and
a target looks for zeros in grains."""
FOOTER_GRAIN_BYTES = 2048
"""Disks are multiples of this, so a file that is a sector larger is a fixed VHD."""


class Raw:
    name = "raw"

    def __init__(self, source: Source) -> None:
        self._source = source
        self.virtual_bytes = source.size_bytes
        """Until the end is known: without what may be a footer."""
        if source.size_bytes and source.size_bytes % FOOTER_GRAIN_BYTES == SECTOR_BYTES:
            self.virtual_bytes = source.size_bytes - SECTOR_BYTES

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        end = covered.end
        held = Extent(0, 0, b"")
        for offset, view in self._pieces(covered):
            if held.length and offset == end:
                offset, view = held.offset, memoryview(bytes(held.data or b"") + bytes(view))
            elif held.length:
                yield held
            end = offset + len(view)
            last = (end - 1) // SECTOR_BYTES * SECTOR_BYTES - offset
            kept = len(view) - last if last >= 0 and may_be_footer(view[last:]) else 0
            held = Extent(end - kept, kept, bytes(view[len(view) - kept :]))
            if len(view) > kept:
                yield Extent(offset, len(view) - kept, view[: len(view) - kept])
        if is_footer_of(held.offset, bytes(held.data or b"")):
            self.name = "vpc" + self.name.removeprefix("raw")
            end = held.offset
        elif held.length:
            yield held
        self.virtual_bytes = max(end, covered.end)

    def _pieces(self, covered: Covered) -> Iterator[tuple[int, memoryview]]:
        """All of the source, or what is left of one that can be read by range."""
        size_bytes, in_any_order = self._source.size_bytes, about(self._source).in_any_order
        if self._source.ranged and size_bytes is not None and (covered or in_any_order):
            left = [(start, end - start) for start, end in covered.gaps(0, size_bytes)]
            yield from self._source.read_ranges(interleaved(left) if in_any_order else left)
            return
        offset = 0
        for view in in_grains(self._source.stream()):
            yield offset, view
            offset += len(view)


def in_grains(views: Iterator[memoryview]) -> Iterator[memoryview]:
    """The same bytes, cut at multiples of the grain. Only grains that lie in two views or more are copied."""
    begun = bytearray()
    for view in views:
        if begun:
            missing = GRAIN_BYTES - len(begun)
            begun += view[:missing]
            view = view[missing:]
            if len(begun) < GRAIN_BYTES:
                continue
            yield memoryview(begun)
            begun = bytearray()
        whole = len(view) - len(view) % GRAIN_BYTES
        if whole:
            yield view[:whole]
        begun += view[whole:]
    if begun:
        yield memoryview(begun)


def may_be_footer(begin: Buffer) -> bool:
    """Of the last sector of what is there, or of as much as there is of it."""
    return bytes(begin[: len(FOOTER_COOKIE)]) == FOOTER_COOKIE[: len(begin)]


def is_footer_of(size_bytes: int, sector: bytes) -> bool:
    """Whether this is the footer of a fixed VHD that so many bytes precede. No disk ends like that by chance."""
    if len(sector) != SECTOR_BYTES:
        return False
    from importer_image.format.vpc import FIXED, footer_of

    footer = footer_of(sector)
    return footer is not None and footer.kind == FIXED and footer.size == size_bytes
