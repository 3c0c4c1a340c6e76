"""What a stream of grains has carried, and whether its tables say the same. Pure.

Nothing but the tables guards the place that a grain names for itself, and nothing else tells that none is missing. They
stand before the grains or after them, so something has to be kept until both have passed: not the entries (64 MiB for
1 TiB of disk), but their number and the sums of sectors, and of sectors times grains, which no accident preserves.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from mmap import mmap
from operator import mul
from typing import NamedTuple

from importer_image.errors import Permanent
from importer_image.format.mapped import corrupt
from importer_image.format.vmdk.header import Header
from importer_image.format.vmdk.tables import grains_of


class Sums(NamedTuple):
    grains: int = 0
    sectors: int = 0
    products: int = 0
    """Of each grain's number (on the disk, or in its table) and its sector."""


EMPTY = Sums()


class Ledger:
    def __init__(self, header: Header) -> None:
        self._header = header
        self._came = mmap(-1, max(header.grains, 1))
        """A byte for each grain. Memory that nobody has written to costs none: 1 TiB of data takes 16 MiB of it."""
        self._carried = EMPTY
        self._tables: dict[int, Sums] = {}

    def grain(self, number: int, sector: int) -> None:
        """One has come. Raises Permanent for what lies behind the disk or has come before."""
        if number >= self._header.grains:
            raise corrupt(f"a grain for the sector {number * self._header.grain_sectors} lies behind the disk's end")
        if self._came[number]:
            raise corrupt(f"the grain at {number * self._header.grain_bytes} comes twice")
        self._came[number] = 1
        grains, sectors, products = self._carried
        self._carried = Sums(grains + 1, sectors + sector, products + number * sector)

    def table(self, sector: int, entries: array[int]) -> None:
        """A grain table that lies there."""
        if len(self._tables) >= self._header.directory_entries:
            raise corrupt("it has more grain tables than its disk needs")
        found = grains_of(entries, self._header)
        grains = len(found) - found.count(0)
        self._tables[sector] = Sums(grains, sum(found), sum(map(mul, range(len(found)), found))) if grains else EMPTY

    def settle(self, directory: array[int]) -> None:
        """Raises Permanent unless the tables that the directory names name the grains that have come, and no others."""
        grains = sectors = products = 0
        for number, sector in enumerate(directory):
            if not sector:
                continue
            if sector not in self._tables:
                raise corrupt(f"the grain table at sector {sector} is missing")
            table = self._tables[sector]
            grains += table.grains
            sectors += table.sectors
            products += table.products + number * self._header.table_entries * table.sectors
        if grains > self._carried.grains:
            raise Permanent(
                f"the image is truncated: {grains - self._carried.grains} of the {grains} parts that its tables name "
                "are missing",
                "Export or download the image again.",
            )
        if (grains, sectors, products) != self._carried:
            raise corrupt("its tables do not name the grains that it holds")

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Grains that have not come, as ranges `(first, end)`."""
        end, grains = 0, self._header.grains
        while end < grains and (first := self._came.find(b"\0", end)) >= 0:
            found = self._came.find(b"\1", first)
            end = grains if found < 0 else found
            yield first, end
