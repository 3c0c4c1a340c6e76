"""A part of a file on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from importer_image.errors import Permanent, Transient
from importer_image.source import OnBytes, Range

PIECE_BYTES = 1 << 20


class LocalFile:
    ranged = True

    def __init__(self, path: str, on_bytes: OnBytes, *, offset: int = 0, size_bytes: int | None = None) -> None:
        """From `offset` on; to the end of the file where no size is given. Raises Permanent."""
        self.name = path
        self._on_bytes = on_bytes
        self._offset = offset
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115
            left = max(os.fstat(self._file.fileno()).st_size - offset, 0)
        except OSError as error:
            raise Permanent(f"open {path}: {(error.strerror or str(error)).lower()}") from error
        self.size_bytes = left if size_bytes is None else min(size_bytes, left)

    def peek(self, length: int) -> bytes:
        return self._read(0, min(length, self.size_bytes))

    def stream(self) -> Iterator[memoryview]:
        for _, view in self.read_ranges([(0, self.size_bytes)]):
            yield view

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[tuple[int, memoryview]]:
        for offset, length in ranges:
            for done in range(0, length, PIECE_BYTES):
                piece = self._read(offset + done, min(PIECE_BYTES, length - done))
                self._on_bytes(len(piece))
                yield offset + done, memoryview(piece)

    def close(self) -> None:
        self._file.close()

    def _read(self, offset: int, length: int) -> bytes:
        try:
            found = os.pread(self._file.fileno(), length, self._offset + offset)
        except OSError as error:
            raise Permanent(f"read {self.name}: {(error.strerror or str(error)).lower()}") from error
        if len(found) < length:
            raise Transient(f"read {self.name}: unexpected EOF", "The file became shorter while it was read.")
        return found
