"""The raw format: what comes is what the disk holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer_image.covered import NOTHING, Covered
from importer_image.extent import Extent, Extents

if TYPE_CHECKING:
    from importer_image.source import Source


class Raw:
    name = "raw"

    def __init__(self, source: Source) -> None:
        self._source = source
        self.virtual_bytes = source.size_bytes

    def extents(self, covered: Covered = NOTHING) -> Extents:
        if covered and self._source.ranged and self.virtual_bytes is not None:
            gaps = covered.gaps(0, self.virtual_bytes)
            for offset, view in self._source.read_ranges([(start, end - start) for start, end in gaps]):
                yield Extent(offset, len(view), view)
            return
        offset = 0
        for view in self._source.stream():
            yield Extent(offset, len(view), view)
            offset += len(view)
