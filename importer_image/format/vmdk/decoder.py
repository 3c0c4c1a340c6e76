"""A VMDK from its header to the extents of its disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Extent, Extents
from importer_image.format.mapped import PACKED, Done, Item, as_it_is, corrupt, entries_of, fetched, in_parts, read
from importer_image.format.placement import Piece, Run
from importer_image.format.vmdk import descriptor as descriptors
from importer_image.format.vmdk.header import AT_END, NONE, SECTOR_BYTES, Header, footer_of, invalid, parse
from importer_image.format.vmdk.tables import mapped

if TYPE_CHECKING:
    from importer_image.format.unpack import Unpacker
    from importer_image.source import Source

DIRECTORY, TABLE, FOOTER = "directory", "table", "footer"
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
    """Grains at any place of the file, found by their tables."""

    name = "vmdk"

    def __init__(self, source: Source, header: Header) -> None:
        self._source = source
        self._header = header
        self.virtual_bytes = header.virtual_bytes
        self._covered = UNTOUCHED
        self._unpacker: Unpacker | None = None

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        self._covered = covered
        header = self._header
        begin = header.directory_sector * SECTOR_BYTES
        directory = in_parts(begin, header.directory_entries, 4, DIRECTORY)
        done = Done(covered, header.grain_bytes if header.compressed else 1)
        try:
            yield from read(self._source, directory, self._use, shorter_at_end, done)
            if self._unpacker:
                yield from self._unpacker.rest()
        finally:
            if self._unpacker:
                self._unpacker.close()

    def _use(self, piece: Piece) -> Iterable[Item]:
        if piece.kind == DIRECTORY:
            return self._tables(piece)
        if piece.kind == TABLE:
            return mapped(piece.data, piece.place, self._header)
        if piece.kind == PACKED:
            return self._unpacked(piece)
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

    def _unpacked(self, piece: Piece) -> Iterator[Extent]:
        from importer_image.format.vmdk.grain import data_of, grain_decoder

        if self._unpacker is None:
            from importer_image.format.unpack import Unpacker

            self._unpacker = Unpacker(grain_decoder(self._header), self._header.grain_bytes)
        return self._unpacker.put(piece.place, data_of(piece.data, piece.place, self._header))


def shorter_at_end(run: Run, part: bytes) -> Piece | None:
    """A compressed grain is asked for with more than it has, because no table knows how long it is."""
    return Piece(PACKED, run.place, part) if run.kind == PACKED and part else None


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

    def rest(self, covered: Covered) -> Extents:
        """The source can be read by range, so the tables can tell where what is missing lies."""
        header = self._header
        if header.directory_sector == AT_END:
            header = replace(header, directory_sector=self._footer().directory_sector)
        return SparseVmdk(self._source, header).rest(covered)

    def _footer(self) -> Header:
        """The header once more, before the last sector, with what was not known at the beginning."""
        place = (self._source.size_bytes or 0) - 2 * SECTOR_BYTES
        if place < 0:
            raise corrupt("it ends before its footer")
        found = next(fetched(self._source, [Run(place, SECTOR_BYTES, FOOTER, 0, whole=True)]))
        return footer_of(bytes(found.data), self._header)
