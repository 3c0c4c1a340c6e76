"""Reading a qcow2 image in the order in which its bytes come, each byte at most once.

Where the source can give ranges, the tables are read first, a group at a time, and then exactly the data that they
point to, in the order of the file. Where it is a pure stream, everything is read from beginning to end and tables are
used as they pass: what writes images (qemu-img convert) puts each table before the data that it maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from importer_image.errors import Permanent
from importer_image.extent import Extent, Extents
from importer_image.format.placement import PARKING_BYTES, Piece, Placement, Run
from importer_image.format.qcow2 import header as headers
from importer_image.format.qcow2.tables import DATA, PACKED, entries_of, mapped, table_offset

if TYPE_CHECKING:
    from importer_image.format.unpack import Unpacker
    from importer_image.source import Source

L1, L2 = "l1", "l2"
CLUSTERS_AT_ONCE = 64 << 10
"""Those whose places are held in memory, below 20 MiB: 4 GiB of the disk with clusters of 64 KiB."""


class Qcow2:
    name = "qcow2"

    def __init__(self, source: Source, head: bytes) -> None:
        self._source = source
        self._header = headers.parse(head, source.name)
        self.virtual_bytes = self._header.virtual_bytes
        self._unpacker: Unpacker | None = None

    def extents(self) -> Extents:
        try:
            yield from self._by_range() if self._source.ranged else self._by_stream()
        finally:
            if self._unpacker:
                self._unpacker.close()

    def _by_range(self) -> Iterator[Extent]:
        entries = entries_of(b"")
        for piece in self._fetch([self._l1_run()]):
            entries = entries_of(piece.data)
        per_group = max(1, CLUSTERS_AT_ONCE // self._header.l2_entries)
        for first in range(0, len(entries), per_group):
            tables: list[Run] = []
            for item in self._l2_runs(entries[first : first + per_group], first):
                if isinstance(item, Extent):
                    yield item
                else:
                    tables.append(item)
            yield from self._mapped_by([(piece.place, bytes(piece.data)) for piece in self._fetch(tables)])

    def _mapped_by(self, tables: Iterable[tuple[int, bytes]]) -> Iterator[Extent]:
        """What these L2 tables map, each with its place on the disk."""
        runs: list[Run] = []
        for guest, table in tables:
            for item in mapped(table, guest, self._header):
                if isinstance(item, Extent):
                    yield item
                    continue
                runs.append(item)
                if len(runs) == CLUSTERS_AT_ONCE:
                    yield from self._data(runs)
                    runs = []
        yield from self._data(runs)

    def _data(self, runs: Iterable[Run]) -> Iterator[Extent]:
        for piece in self._fetch(runs):
            yield from self._decode(piece)
        if self._unpacker:
            yield from self._unpacker.rest()

    def _by_stream(self) -> Iterator[Extent]:
        placement = Placement(PARKING_BYTES)
        placement.add(self._l1_run())
        offset = 0
        for view in self._source.stream():
            for piece in placement.feed(offset, view):
                yield from self._use(piece, placement)
            offset += len(view)
        for piece in self._cut_off(placement, offset):
            yield from self._use(piece, placement)
        if self._unpacker:
            yield from self._unpacker.rest()

    def _use(self, piece: Piece, placement: Placement) -> Iterator[Extent]:
        """A piece of a stream is data or says where other pieces belong."""
        if piece.kind == L1:
            found: Iterable[Run | Extent] = self._l2_runs(entries_of(piece.data), 0)
        elif piece.kind == L2:
            found = mapped(piece.data, piece.place, self._header)
        else:
            yield from self._decode(piece)
            return
        for item in found:
            if isinstance(item, Extent):
                yield item
            else:
                placement.add(item)

    def _fetch(self, runs: Iterable[Run]) -> Iterator[Piece]:
        """All pieces of these runs, by range."""
        placement = Placement()
        size = self._source.size_bytes or 0
        for run in runs:
            if run.offset >= size:
                raise _truncated(run, size)
            placement.add(run)
        ranges = [(offset, min(length, size - offset)) for offset, length in placement.wanted()]
        for offset, view in self._source.read_ranges(ranges):
            yield from placement.feed(offset, view)
        yield from self._cut_off(placement, size)

    def _cut_off(self, placement: Placement, size: int) -> Iterator[Piece]:
        """The file need not hold all of its last cluster: what is missing of it reads as zeros."""
        for run, part in placement.missing():
            if run.kind == PACKED and part:
                yield Piece(PACKED, run.place, part)
            elif (
                run.kind == DATA and run.offset % self._header.cluster_bytes and run.length < self._header.cluster_bytes
            ):
                yield Piece(DATA, run.place, bytes(run.length))
            else:
                raise _truncated(run, size)

    def _decode(self, piece: Piece) -> Iterator[Extent]:
        if piece.kind == DATA:
            yield Extent(piece.place, len(piece.data), piece.data)
            return
        if self._unpacker is None:
            from importer_image.format.qcow2.cluster import cluster_decoder
            from importer_image.format.unpack import Unpacker

            self._unpacker = Unpacker(cluster_decoder(self._header), self._header.cluster_bytes)
        yield from self._unpacker.put(piece.place, piece.data)

    def _l1_run(self) -> Run:
        return Run(self._header.l1_offset, self._header.l1_entries * 8, L1, 0, whole=True)

    def _l2_runs(self, entries: Iterable[int], first: int) -> Iterator[Run | Extent]:
        """The L2 tables that these entries of the L1 table name, and zeros for those that are not there."""
        header = self._header
        for index, entry in enumerate(entries, first):
            guest = index * header.l2_covers_bytes
            if offset := table_offset(entry, header):
                yield Run(offset, header.cluster_bytes, L2, guest, whole=True)
            else:
                yield Extent(guest, min(header.l2_covers_bytes, header.virtual_bytes - guest), None)


def _truncated(run: Run, size_bytes: int) -> Permanent:
    return Permanent(
        f"the image is truncated: it refers to the bytes at {run.offset}, but ends after {size_bytes} bytes",
        "Download or build the image again.",
    )
