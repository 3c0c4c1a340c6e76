"""A disk of nothing but zeros, which most storage reads as anyway."""

from __future__ import annotations

from importer_image.extent import Extent, Extents

STEP_BYTES = 64 << 20


class Blank:
    name = "blank"

    def __init__(self, written_bytes: int) -> None:
        """How much has to be written: only a device that shall be allocated needs any (spec 5.3)."""
        self.virtual_bytes = written_bytes

    def extents(self) -> Extents:
        for offset in range(0, self.virtual_bytes, STEP_BYTES):
            yield Extent(offset, min(STEP_BYTES, self.virtual_bytes - offset), None)
