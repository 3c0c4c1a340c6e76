"""A VHDX image from its headers to the extents of its disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Extent, Extents
from importer_image.format.mapped import (
    DATA,
    NOTHING,
    Done,
    Found,
    Item,
    as_it_is,
    corrupt,
    entries_of,
    fetched,
    in_parts,
    joined,
    read,
)
from importer_image.format.placement import Piece, Run
from importer_image.format.vhdx import regions
from importer_image.format.vhdx.metadata import MOST_BYTES as METADATA_BYTES
from importer_image.format.vhdx.metadata import Disk, parse
from importer_image.format.vhdx.regions import Region

if TYPE_CHECKING:
    from importer_image.source import Source

HEADERS, LOG, METADATA, BAT = "headers", "log", "metadata", "bat"
LOG_STEP_BYTES = 1 << 20
HEADERS_RUN = Run(regions.HEADERS_OFFSET, regions.HEADERS_BYTES, HEADERS, 0, whole=True)

ENTRY_BYTES = 8
STATE = 7
FULLY_PRESENT = 6
ZEROS = (0, 1, 2, 3, 5)
"""States of blocks that are not there, undefined, zero, unmapped, and unmapped as older writers say it."""
OFFSET_MASK = ~((1 << 20) - 1)


class Vhdx:
    name = "vhdx"

    def __init__(self, source: Source) -> None:
        self._source = source
        self._meaning: dict[str, Callable[[Piece], Iterable[Item]]] = {
            HEADERS: self._regions,
            LOG: self._nothing_to_replay,
            METADATA: self._table,
            BAT: self._mapped,
            DATA: as_it_is,
        }
        self._log_id = b""
        self._bat = self._metadata = Region(0, 0)
        self._disk = Disk(0, 1 << 20, 512)
        self._first: list[Item] = [HEADERS_RUN]
        self.virtual_bytes: int | None = None
        """The metadata says it, which lies behind what is peeked at: on a pure stream it is known when that passes."""
        while source.ranged and self.virtual_bytes is None:
            self._first = self._further(self._first)

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        yield from read(self._source, self._first, self._use, done=Done(covered))

    def _use(self, piece: Piece) -> Iterable[Item]:
        return self._meaning[piece.kind](piece)

    def _further(self, items: Iterable[Item]) -> list[Item]:
        """What these tables say to read next."""
        tables = [item for item in items if isinstance(item, Run)]
        return [item for piece in fetched(self._source, tables) for item in self._use(piece)]

    def _regions(self, headers: Piece) -> Iterator[Item]:
        found = regions.parse(headers.data)
        self._log_id, self._bat, self._metadata = found.log_id, found.bat, found.metadata
        for offset in range(found.log.offset, found.log.offset + found.log.length, LOG_STEP_BYTES):
            yield Run(offset, LOG_STEP_BYTES, LOG, 0, whole=True)
        yield Run(found.metadata.offset, min(found.metadata.length, METADATA_BYTES), METADATA, 0, whole=True)

    def _nothing_to_replay(self, log: Piece) -> tuple[()]:
        if regions.in_the_log(log.data, self._log_id):
            raise Permanent(
                f"Image {self._source.name} was not closed properly: its log has changes that must be replayed",
                "Attach and detach it in Hyper-V (Mount-VHD, Dismount-VHD), or run qemu-img check -r all on it.",
            )
        return ()

    def _table(self, found: Piece) -> Iterator[Item]:
        disk = self._disk = parse(found.data, self._source.name)
        if disk.entries * ENTRY_BYTES > self._bat.length:
            raise regions.invalid(f"its block allocation table is too small for {disk.virtual_bytes} bytes")
        self.virtual_bytes = disk.virtual_bytes
        # Where the target does not know yet how large the disk is, it learns it now, before any data is written.
        yield Extent(disk.virtual_bytes, 0, None)
        yield from in_parts(self._bat.offset, disk.entries, ENTRY_BYTES, BAT)

    def _mapped(self, part: Piece) -> Iterator[Item]:
        for item in joined(self._blocks(part), self._disk.virtual_bytes):
            if isinstance(item, Run):
                for region in (self._bat, self._metadata):
                    if item.offset < region.offset + region.length and region.offset < item.offset + item.length:
                        raise corrupt(f"the data of the block at {item.place} lies at {item.offset}, among its tables")
            yield item

    def _blocks(self, part: Piece) -> Iterator[Found]:
        length, chunk = self._disk.block_bytes, self._disk.chunk_blocks + 1
        for index, entry in enumerate(entries_of(part.data, "Q", "little"), part.place):
            if index % chunk == chunk - 1:
                continue
            guest = (index - index // chunk) * length
            state, offset = entry & STATE, entry & OFFSET_MASK
            if state in ZEROS:
                yield NOTHING, length, guest, DATA
            elif state == FULLY_PRESENT and offset:
                yield offset, length, guest, DATA
            else:
                raise corrupt(f"the block at {guest} is in state {state} at {offset}, which cannot be")
