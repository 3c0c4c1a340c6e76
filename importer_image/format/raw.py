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
