"""An image that somebody brings to us: an upload, the other end of a clone, standard input.

There is nobody to ask again: a feed that breaks off is a failure at once, and one that is slow is waited for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from typing import NoReturn

from importer_image.errors import Transient
from importer_image.source import OnBytes, Range
from importer_image.source.belt import Belt, Stopped

PREFIX_BYTES = 64 << 10
"""Read when opening, enough for every header."""

ReadInto = Callable[[memoryview], int]
"""Fills the beginning of a buffer, at least one byte of it; 0 at the end. Raises OSError."""


def standard_input(on_bytes: OnBytes) -> Feed:
    """What is piped or redirected into this process."""
    status = os.fstat(0)
    size_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
    return Feed("standard input", lambda view: os.readv(0, [view]), size_bytes, on_bytes)


class Feed:
    """`size_bytes`: how much is announced; fewer bytes are a failure. None when only the end will tell."""

    ranged = False

    def __init__(self, name: str, read_into: ReadInto, size_bytes: int | None, on_bytes: OnBytes) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self._read_into = read_into
        self._on_bytes = on_bytes
        self._belt = Belt()
        self._came_bytes = 0
        prefix = bytearray(PREFIX_BYTES)
        self._prefix = bytes(prefix[: self._fill(memoryview(prefix))])

    def peek(self, length: int) -> bytes:
        return self._prefix[:length]

    def stream(self) -> Iterator[memoryview]:
        yield memoryview(self._prefix)
        if len(self._prefix) == PREFIX_BYTES:
            Thread(target=self._carry, daemon=True).start()
            for _, view in self._belt.slices():
                yield view

    def read_ranges(self, ranges: Sequence[Range]) -> NoReturn:
        raise AssertionError("what is fed to us has no ranges")

    def close(self) -> None:
        """Whoever feeds may still be waited for by the thread that reads; it ends with the feed or the process."""
        self._belt.close()

    def _carry(self) -> None:
        number = 0
        try:
            while True:
                buffer = self._belt.reserve(number)
                offset = self._came_bytes
                with memoryview(buffer) as view:
                    length = self._fill(view)
                if length:
                    self._belt.put(number, buffer, offset, length)
                    number += 1
                if length < len(buffer):
                    self._belt.end(number)
                    return
        except Stopped:
            pass
        except BaseException as error:
            self._belt.fail(error)

    def _fill(self, view: memoryview) -> int:
        """As much as there is until the end; fewer bytes than the view has only there."""
        got = 0
        while got < len(view):
            try:
                count = self._read_into(view[got:])
            except OSError as error:
                raise Transient(f"{self.name} broke off: {error.strerror or error}") from error
            if not count:
                self._check_end()
                break
            got += count
            self._came_bytes += count
            self._on_bytes(count)
        return got

    def _check_end(self) -> None:
        if self.size_bytes is not None and self._came_bytes < self.size_bytes:
            raise Transient(
                f"{self.name} broke off: unexpected EOF after {self._came_bytes} of {self.size_bytes} bytes",
                "Send it once more.",
            )
