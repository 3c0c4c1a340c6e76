"""A target that minds: every byte of the disk once, none beside it."""

from __future__ import annotations

import os

from importer_image.errors import Permanent
from importer_image.extent import Extent
from importer_image.target.space import require_room

ROOM_BYTES = 1 << 40
"""Larger disks do not fit. Tables of many of those that do are larger than the whole image."""
DISK_BYTES = 64 << 20
"""So much of a disk is kept."""
DATA_BYTES = 64 << 20
"""When so much was written it is full, as a volume would be: few blocks, named often, are a large disk."""


class Misplaced(Exception):
    """A decoder said something of the disk that cannot be."""


class Canvas:
    def __init__(self) -> None:
        self.size = self.end = 0
        self._fd = os.memfd_create("disk")
        self._data_bytes = 0
        self._covered_bytes = 0
        self._ends: dict[int, int] = {}
        """Of what is covered in one piece, by where it begins."""
        self._begins: dict[int, int] = {}

    def begin(self, virtual_bytes: int | None) -> None:
        if virtual_bytes is not None:
            require_room(virtual_bytes, ROOM_BYTES)

    def write(self, extent: Extent) -> None:
        offset, length, data = extent
        if offset < 0 or length < 0 or (data is not None and len(data) != length):
            raise Misplaced(f"an extent of {length} bytes at {offset} with {len(data or b'')} bytes")
        require_room(offset + length, ROOM_BYTES)
        self.end = max(self.end, offset + length)
        if length:
            self._cover(offset, offset + length)
        if data is None:
            return
        self._data_bytes += length
        if self._data_bytes > DATA_BYTES:
            raise Permanent("write disk: no space left on device")
        if offset < DISK_BYTES:
            os.pwrite(self._fd, memoryview(data)[: DISK_BYTES - offset], offset)

    def finish(self, virtual_bytes: int) -> None:
        self.size = virtual_bytes
        pieces = {} if not virtual_bytes else {0: virtual_bytes}
        if self._covered_bytes != virtual_bytes or self._ends != pieces:
            raise Misplaced(f"extents of {self._covered_bytes} bytes do not cover the disk of {virtual_bytes} once")

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset).ljust(length, b"\0")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _cover(self, begin: int, end: int) -> None:
        """Joined with its neighbours. What overlaps is never joined, so that it shows at the end."""
        self._covered_bytes += end - begin
        begin = self._begins.pop(begin, begin)
        end = self._ends.pop(end, end)
        self._ends[begin], self._begins[end] = end, begin
