"""A VMDK from its header to the extents of its disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Extent, Extents
from importer_image.format.mapped import Done, Item, as_it_is, entries_of, in_parts, read
from importer_image.format.placement import Piece, Run
from importer_image.format.vmdk import descriptor as descriptors
from importer_image.format.vmdk.header import NONE, SECTOR_BYTES, Header, invalid, parse
from importer_image.format.vmdk.tables import mapped

if TYPE_CHECKING:
    from importer_image.source import Source

DIRECTORY, TABLE = "directory", "table"
DESCRIPTOR_END_LIMIT_BYTES = 64 << 10
"""It follows the header; everybody gives it 10 KiB."""


def open_vmdk(source: Source, head: bytes) -> SparseVmdk | StreamVmdk:
    """Raises Permanent for what must not be imported."""
    header = parse(head)
    text = _description(source, header)
    if text:
        descriptors.require_whole(descriptors.parse(text), source.name)
    elif not header.compressed:
        # The files that a split disk is made of look like this. Each would make a disk, but none the user's.
        raise Permanent(f"Image {source.name} is one of several files that are a disk together", descriptors.WHOLE)
    return StreamVmdk(source, header) if header.compressed else SparseVmdk(source, header)


def _description(source: Source, header: Header) -> bytes:
    """The text inside the image, without what pads it."""
    if header.descriptor_sector == NONE:
        return b""
    start = header.descriptor_sector * SECTOR_BYTES
    end = start + header.descriptor_sectors * SECTOR_BYTES
    if end > DESCRIPTOR_END_LIMIT_BYTES:
        raise invalid(f"its description, {end - start} bytes at {start}, is not where it belongs")
    return source.peek(end)[start:].partition(b"\0")[0].strip()


class SparseVmdk:
    """Grains as they are, at any place of the file."""

    name = "vmdk"

    def __init__(self, source: Source, header: Header) -> None:
        self._source = source
        self._header = header
        self.virtual_bytes = header.virtual_bytes
        self._covered = UNTOUCHED

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        self._covered = covered
        header = self._header
        begin = header.directory_sector * SECTOR_BYTES
        directory = in_parts(begin, header.directory_entries, 4, DIRECTORY)
        yield from read(self._source, directory, self._use, done=Done(covered))

    def _use(self, piece: Piece) -> Iterable[Item]:
        if piece.kind == DIRECTORY:
            return self._tables(piece)
        if piece.kind == TABLE:
            return mapped(piece.data, piece.place, self._header)
        return as_it_is(piece)

    def _tables(self, directory: Piece) -> Iterator[Item]:
        """Those that this part of the directory names, and zeros for those that are not there."""
        header = self._header
        for index, sector in enumerate(entries_of(directory.data, "I", "little"), directory.place):
            guest = index * header.table_covers_bytes
            if self._covered.holds(guest, min(guest + header.table_covers_bytes, header.virtual_bytes)):
                continue
            if sector:
                yield Run(sector * SECTOR_BYTES, header.table_bytes, TABLE, guest, whole=True)
            else:
                yield Extent(guest, min(header.table_covers_bytes, header.virtual_bytes - guest), None)


class StreamVmdk:
    """Compressed grains, one after another."""

    name = "vmdk"

    def __init__(self, source: Source, header: Header) -> None:
        self._source = source
        self._header = header
        self.virtual_bytes = header.virtual_bytes

    def extents(self) -> Extents:
        from importer_image.format.unpack import Unpacker
        from importer_image.format.vmdk.grain import grain_decoder
        from importer_image.format.vmdk.stream import Stream

        grain_bytes = self._header.grain_bytes
        stream = Stream(self._header, self._source.stream())
        unpacker = Unpacker(grain_decoder(self._header), grain_bytes)
        try:
            for number, data in stream.grains():
                yield from unpacker.put(number * grain_bytes, data)
            yield from unpacker.rest()
        finally:
            unpacker.close()
        for first, end in stream.ledger.gaps():
            place = first * grain_bytes
            yield Extent(place, min(end * grain_bytes, self.virtual_bytes) - place, None)
