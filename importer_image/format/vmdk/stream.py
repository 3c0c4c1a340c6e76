"""A compressed VMDK, read as it was written: grains one after another, each with a marker that says where it belongs.

No table is needed to decode it, so one pass over any source does. Tables are read as they pass, before the grains
(QEMU) or after them (VMware and everybody who exports to a stream), because they tell whether all has come.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from importer_image.errors import Permanent
from importer_image.format.mapped import corrupt, entries_of
from importer_image.format.vmdk.header import AT_END, MARKER, SECTOR_BYTES, Header, footer_of
from importer_image.format.vmdk.ledger import Ledger

END_OF_STREAM, GRAIN_TABLE, GRAIN_DIRECTORY, FOOTER = range(4)
DIRECTORIES = 2
"""One, and a copy of it."""

_KIND = struct.Struct("<I")
"""What all else is."""


class Grain(NamedTuple):
    number: int
    """On the disk."""
    data: bytes


class Cut(Exception):
    """The source ends here."""


class Cursor:
    """The bytes of a stream by number instead of by view."""

    def __init__(self, views: Iterator[memoryview]) -> None:
        self.position = 0
        self._views = views
        self._left = memoryview(b"")

    def read(self, length: int) -> bytes:
        """Exactly so many bytes. Raises Cut."""
        data = self._left[:length].tobytes()
        self._advance(len(data))
        if len(data) == length:
            return data
        parts = [data]
        while length := length - len(parts[-1]):
            if not self._next():
                raise Cut
            parts.append(self._left[:length].tobytes())
            self._advance(len(parts[-1]))
        return b"".join(parts)

    def skip_to(self, position: int) -> None:
        """Raises Cut."""
        while self.position < position:
            if not self._left and not self._next():
                raise Cut
            self._advance(min(position - self.position, len(self._left)))

    def at_end(self) -> bool:
        return not self._left and not self._next()

    def drain(self) -> None:
        """Whoever counts or hashes the bytes wants to see all of them."""
        self._advance(len(self._left))
        while self._next():
            self._advance(len(self._left))

    def _next(self) -> bool:
        """Whether there is more, none of which has been used."""
        self._left = next(filter(len, self._views), memoryview(b""))
        return bool(self._left)

    def _advance(self, length: int) -> None:
        self.position += length
        self._left = self._left[length:]


class Stream:
    """The grains of a source in its order. At the end everything that there is to check has been checked."""

    def __init__(self, header: Header, views: Iterator[memoryview]) -> None:
        self.ledger = Ledger(header)
        self._header = header
        self._cursor = Cursor(views)
        self._directory_sector = header.directory_sector
        self._footed = False
        self._directories: dict[int, array[int]] = {}

    def grains(self) -> Iterator[Grain]:
        """Raises Permanent."""
        try:
            self._front()
            yield from self._marked()
        except Cut:
            raise Permanent(
                f"the image is truncated: it ends after {self._cursor.position} bytes, in the middle of its data",
                "Export or download the image again.",
            ) from None
        directory = self._directories.get(self._directory_sector)
        if directory is None:
            raise corrupt(f"its grain directory, at sector {self._directory_sector}, is missing")
        self.ledger.settle(directory)

    def _front(self) -> None:
        """Tables before the grains."""
        header = self._header
        if header.directory_sector < header.overhead_sectors:
            self._cursor.skip_to(header.directory_sector * SECTOR_BYTES)
            directory = self._read_directory()
            for sector in sorted(sector for sector in {*directory} if 0 < sector < header.overhead_sectors):
                if sector * SECTOR_BYTES < self._cursor.position:
                    raise corrupt(f"the grain table at sector {sector} overlaps others")
                self._cursor.skip_to(sector * SECTOR_BYTES)
                self._read_table()
        described = header.descriptor_sector + header.descriptor_sectors
        self._cursor.skip_to(max(header.overhead_sectors, described, 1) * SECTOR_BYTES)

    def _marked(self) -> Iterator[Grain]:
        """What lies behind the tables in front, each part with a marker."""
        cursor = self._cursor
        while not self._ended():
            start = cursor.position
            place, size = MARKER.unpack(cursor.read(MARKER.size))
            if size:
                yield self._grain(place, size)
            else:
                (kind,) = _KIND.unpack(cursor.read(_KIND.size))
                cursor.skip_to(start + SECTOR_BYTES)
                if kind == END_OF_STREAM and self._footed:
                    cursor.drain()
                    return
                self._tables_or_footer(kind, place)
            cursor.skip_to(-(-cursor.position // SECTOR_BYTES) * SECTOR_BYTES)

    def _ended(self) -> bool:
        """QEMU, which writes its tables first, ends with the last grain or with zeros; the others with a marker."""
        if not self._cursor.at_end():
            return False
        if self._header.directory_sector == AT_END:
            raise Cut
        return True

    def _grain(self, place: int, size: int) -> Grain:
        number, rest = divmod(place, self._header.grain_sectors)
        if rest or size > self._header.packed_limit_bytes:
            raise corrupt(f"a grain for the sector {place} with {size} bytes is absurd")
        self.ledger.grain(number, self._cursor.position // SECTOR_BYTES)
        return Grain(number, self._cursor.read(size))

    def _tables_or_footer(self, kind: int, sectors: int) -> None:
        """Anything else is skipped. That includes markers of the end too early: these are nothing but zeros."""
        end = self._cursor.position + sectors * SECTOR_BYTES
        if kind == GRAIN_TABLE:
            while self._cursor.position < end:
                self._read_table()
        elif kind == GRAIN_DIRECTORY:
            self._read_directory()
        elif kind == FOOTER:
            self._read_footer()
        if self._cursor.position > end:
            raise corrupt(f"a marker for {sectors} sectors is followed by more")
        self._cursor.skip_to(end)

    def _read_table(self) -> None:
        sector = self._cursor.position // SECTOR_BYTES
        table = self._cursor.read(self._header.table_bytes)
        self._cursor.skip_to((sector + self._header.table_sectors) * SECTOR_BYTES)
        self.ledger.table(sector, entries_of(table, "I", "little"))

    def _read_directory(self) -> array[int]:
        sector = self._cursor.position // SECTOR_BYTES
        if len(self._directories) == DIRECTORIES:
            raise corrupt("it has too many grain directories")
        found = entries_of(self._cursor.read(self._header.directory_entries * 4), "I", "little")
        self._cursor.skip_to(-(-self._cursor.position // SECTOR_BYTES) * SECTOR_BYTES)
        self._directories[sector] = found
        return found

    def _read_footer(self) -> None:
        """The header once more, now with the place of the directory."""
        footer = footer_of(self._cursor.read(SECTOR_BYTES), self._header)
        if self._header.directory_sector == AT_END:
            self._directory_sector = footer.directory_sector
        self._footed = True
