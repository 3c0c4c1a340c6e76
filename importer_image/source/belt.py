"""Slices of a source: filled by several threads, taken in order by one, never more than a window of them in memory.

A thread may fill slice n only when fewer than a window of slices before it are still to be taken. So the slice that is
waited for can always be filled, whatever the others do, and a server that is faster than the disk is held back by TCP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from mmap import mmap
from threading import Condition

SLICE_BYTES = 1 << 20
WINDOW_SLICES = 32


class Stopped(Exception):
    """Nobody wants the bytes any more."""


class Belt:
    def __init__(self, slice_bytes: int = SLICE_BYTES, window_slices: int = WINDOW_SLICES) -> None:
        self._slice_bytes = slice_bytes
        self._window_slices = window_slices
        self._changed = Condition()
        self._filled: dict[int, tuple[mmap, int, memoryview]] = {}
        self._free: list[mmap] = []
        self._taken = 0
        self._count: int | None = None
        self._error: BaseException | None = None
        self._closed = False
        self.waited_s = 0.0
        """How long whoever takes has waited for slices."""

    def reserve(self, number: int) -> mmap:
        """A buffer for that slice as soon as it is its turn. Raises Stopped when the belt has been closed.

        Buffers are mapped, not allocated, so that memory comes only with the bytes: most images are small.
        """
        with self._changed:
            while not self._closed and number >= self._taken + self._window_slices:
                self._changed.wait()
            if self._closed:
                raise Stopped
            return self._free.pop() if self._free else mmap(-1, self._slice_bytes)

    def put(self, number: int, buffer: mmap, offset: int, length: int) -> None:
        """The buffer holds `length` bytes of the source at `offset`."""
        with self._changed:
            self._filled[number] = (buffer, offset, memoryview(buffer)[:length])
            if number == self._taken:
                self._changed.notify_all()

    def end(self, count: int) -> None:
        """There are so many slices."""
        with self._changed:
            self._count = count
            self._changed.notify_all()

    def carry(self, task: Callable[[], None]) -> None:
        """For a thread: do what puts slices onto the belt. It does not end unnoticed, whoever takes gets its error."""
        try:
            task()
        except Stopped:
            pass
        except BaseException as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def slices(self) -> Iterator[tuple[int, memoryview]]:
        """All slices in order, and what a thread has failed with after those that are whole.

        A view is valid until the next is asked for.
        """
        while (found := self._next()) is not None:
            buffer, offset, view = found
            yield offset, view
            view.release()
            with self._changed:
                self._free.append(buffer)
                self._taken += 1
                self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> tuple[mmap, int, memoryview] | None:
        with self._changed:
            while True:
                if self._taken in self._filled:
                    return self._filled.pop(self._taken)
                if self._error:
                    raise self._error
                if self._count == self._taken:
                    return None
                if self._closed:
                    raise Stopped
                began = time.monotonic()
                self._changed.wait()
                self.waited_s += time.monotonic() - began
