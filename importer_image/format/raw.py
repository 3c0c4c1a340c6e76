"""The raw format: what comes is what the disk holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer_image.extent import Extent, Extents

if TYPE_CHECKING:
    from importer_image.source import Source


class Raw:
    name = "raw"

    def __init__(self, source: Source) -> None:
        self._source = source
        self.virtual_bytes = source.size_bytes

    def extents(self) -> Extents:
        offset = 0
        for view in self._source.stream():
            yield Extent(offset, len(view), view)
            offset += len(view)


class Blank:
    """A disk of nothing but zeros. Only a device that shall be allocated needs any of them written (spec 5.3)."""

    name = "blank"

    def __init__(self, written_bytes: int) -> None:
        self.virtual_bytes = written_bytes

    def extents(self) -> Extents:
        step = 64 << 20
        for offset in range(0, self.virtual_bytes, step):
            yield Extent(offset, min(step, self.virtual_bytes - offset), None)
