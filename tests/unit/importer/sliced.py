"""A source in memory that cuts its bytes as it likes, and what a decoder makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from importer_image.format import Image


class Sliced:
    """The bytes of a file in slices of the given sizes."""

    name = "image"

    def __init__(self, content: bytes, sizes: Sequence[int], ranged: bool) -> None:
        self.size_bytes = len(content)
        self.ranged = ranged
        self.read_bytes = 0
        self._content = memoryview(content)
        self._sizes = sizes

    def peek(self, length: int) -> bytes:
        return bytes(self._content[:length])

    def stream(self) -> Iterator[memoryview]:
        for _, view in self.read_ranges([(0, self.size_bytes)]):
            yield view

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, memoryview]]:
        """Each view is worthless as soon as the next is asked for, as buffers are that are filled again."""
        number = 0
        for offset, length in ranges:
            end = offset + length
            while offset < end:
                step = min(self._sizes[number % len(self._sizes)], end - offset)
                buffer = bytearray(self._content[offset : offset + step])
                yield offset, memoryview(buffer)
                self.read_bytes += step
                buffer[:] = b"\xee" * len(buffer)
                offset += step
                number += 1

    def close(self) -> None:
        """Nothing to close."""


def contents(image: Image) -> bytes:
    """The whole disk; fails where its extents do not cover it exactly once."""
    found = bytearray()
    covered = 0
    for offset, length, piece in image.extents():
        found.extend(b"\xcc" * (offset + length - len(found)))
        found[offset : offset + length] = bytes(length) if piece is None else bytes(piece)
        covered += length
    assert covered == len(found) == image.virtual_bytes
    return bytes(found)
