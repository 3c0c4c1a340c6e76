"""A layer as a tape for the tar reader: a stream that is unwound, or ranges where only what is looked at travels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from importer_image.errors import Permanent

if TYPE_CHECKING:
    from importer_image.source import Source

LEAST_BYTES, MOST_BYTES = 64 << 10, 4 << 20
LEAP_BYTES = 1 << 20
"""What lies between two headers is read with them when it is less: a request takes as long as this many bytes."""


class StreamTape:
    def __init__(self, views: Iterator[memoryview]) -> None:
        self.position = 0
        self._views = views
        self._rest = memoryview(b"")

    def read(self, length: int) -> bytes:
        return b"".join(self.pieces(length))

    def skip(self, length: int) -> None:
        for view in self.pieces(length):
            length -= len(view)
        if length:
            raise cut_off(self.position)

    def pieces(self, length: int) -> Iterator[memoryview]:
        """The next bytes as they come, fewer only at the end; each view is valid until the next is asked for."""
        while length:
            if not self._rest:
                if (view := next(self._views, None)) is None:
                    return
                self._rest = view
                continue
            piece = self._rest[:length]
            self._rest = self._rest[length:]
            length -= len(piece)
            self.position += len(piece)
            yield piece


class RangeTape:
    """Reads ahead, the more the closer headers are: a layer of small files is read at full speed."""

    def __init__(self, source: Source) -> None:
        self.position = 0
        self._source = source
        self._size = source.size_bytes or 0
        self._ahead = b""
        self._ahead_at = 0
        self._window = LEAST_BYTES

    def read(self, length: int) -> bytes:
        start = self.position - self._ahead_at
        if not 0 <= start <= start + length <= len(self._ahead):
            self._fetch(min(length, self._size - self.position))
            start = 0
        found = self._ahead[start : start + length]
        self.position += len(found)
        return found

    def skip(self, length: int) -> None:
        if length > self._size - self.position:
            raise cut_off(self._size)
        self.position += length

    def _fetch(self, length: int) -> None:
        near = self.position - (self._ahead_at + len(self._ahead)) < LEAP_BYTES
        self._window = min(self._window * 2, MOST_BYTES) if near else LEAST_BYTES
        wanted = min(max(length, self._window), self._size - self.position)
        pieces = self._source.read_ranges([(self.position, wanted)]) if wanted else ()
        self._ahead = b"".join(bytes(view) for _, view in pieces)
        self._ahead_at = self.position


def cut_off(position: int) -> Permanent:
    return Permanent(
        f"archive/tar: unexpected EOF after {position} bytes", "The image is damaged: build and push it again."
    )
