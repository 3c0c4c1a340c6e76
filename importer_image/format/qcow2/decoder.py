"""A qcow2 image from its L1 table to the extents of its disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from importer_image.covered import UNTOUCHED, Covered
from importer_image.extent import Extent, Extents
from importer_image.format.mapped import DATA, PACKED, Done, Item, as_it_is, entries_of, read
from importer_image.format.placement import Piece, Run
from importer_image.format.qcow2 import header as headers
from importer_image.format.qcow2.tables import mapped, table_offset

if TYPE_CHECKING:
    from importer_image.format.unpack import Unpacker
    from importer_image.source import Source

L1, L2 = "l1", "l2"


class Qcow2:
    name = "qcow2"

    def __init__(self, source: Source, head: bytes, base: str = "") -> None:
        """`base`: see headers.parse."""
        self._source = source
        self._header = headers.parse(head, source.name, base)
        self.virtual_bytes = self._header.virtual_bytes
        self._covered = UNTOUCHED
        self._unpacker: Unpacker | None = None

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        self._covered = covered
        l1 = Run(self._header.l1_offset, self._header.l1_entries * 8, L1, 0, whole=True)
        try:
            first = [l1] if l1.length else []
            done = Done(covered, self._header.cluster_bytes)
            yield from read(self._source, first, self._use, self._tail, done)
            if self._unpacker:
                yield from self._unpacker.rest()
        finally:
            if self._unpacker:
                self._unpacker.close()

    def _use(self, piece: Piece) -> Iterable[Item]:
        if piece.kind == L1:
            return self._l2_tables(piece)
        if piece.kind == L2:
            return mapped(piece.data, piece.place, self._header)
        if piece.kind == PACKED:
            return self._unpacked(piece)
        return as_it_is(piece)

    def _l2_tables(self, l1: Piece) -> Iterator[Item]:
        """Those that the L1 table names, and zeros for those that are not there."""
        header = self._header
        for index, entry in enumerate(entries_of(l1.data, "Q", "big")):
            guest = index * header.l2_covers_bytes
            if self._covered.holds(guest, min(guest + header.l2_covers_bytes, header.virtual_bytes)):
                continue
            if offset := table_offset(entry, header):
                yield Run(offset, header.cluster_bytes, L2, guest, whole=True)
            elif not header.is_delta:
                yield Extent(guest, min(header.l2_covers_bytes, header.virtual_bytes - guest), None)

    def _unpacked(self, piece: Piece) -> Iterator[Extent]:
        if self._unpacker is None:
            from importer_image.format.qcow2.cluster import cluster_decoder
            from importer_image.format.unpack import Unpacker

            self._unpacker = Unpacker(cluster_decoder(self._header), self._header.cluster_bytes)
        return self._unpacker.put(piece.place, piece.data)

    def _tail(self, run: Run, part: bytes) -> Piece | None:
        """The file need not hold all of its last cluster: what is missing of it reads as zeros."""
        if run.kind == PACKED and part:
            return Piece(PACKED, run.place, part)
        begun = run.offset % self._header.cluster_bytes and run.length < self._header.cluster_bytes
        if run.kind == DATA and begun:
            return Piece(DATA, run.place, bytes(run.length))
        return None
