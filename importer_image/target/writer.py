"""Writing that stays small: zeros are left out, and the page cache never holds more than two windows of dirty data.

A plain buffered write of a large image fills the memory of the pod's cgroup with dirty pages (the reference gets
killed for it) and ends in a long fsync. Here every window of 16 MiB is handed to the disk as soon as it is full, and
the window before it is waited for and dropped from the cache: the disk always has one to write, we always have one
to fill. Measured on ext4: 2.0 to 2.9 GB/s including fsync, against 0.6 GB/s for plain writes and 2.0 GB/s for O_DIRECT.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from importer_image.extent import Buffer
from importer_image.target import kernel

WINDOW_BYTES = 16 << 20
ZERO_GRAIN_BYTES = 64 << 10
"""Zeros are looked for in pieces of this size: smaller holes cost more in fragments than they save."""
_ZERO_GRAIN = bytearray(ZERO_GRAIN_BYTES)
"""A bytearray, because that is what compares itself with any buffer by one memcmp; bytes and views do not."""
NEAR_BYTES = 8 << 20
"""Spans closer than this are one: a call for both costs less than one for each."""


class Writer:
    """Positional writes to one descriptor, which is closed with it. `written_bytes`: what was really written."""

    def __init__(self, fd: int) -> None:
        self.written_bytes = 0
        self._fd = fd
        self._settling_fd = -1
        self._filled_bytes = 0
        self._filling: list[tuple[int, int]] = []
        """First bytes and ends of what the window covers. Writes come in nearly ascending order at a few places."""
        self._draining: list[tuple[int, int]] = []
        self._paced = True
        self.changes = 0
        """Grows with everything that `settle` has to wait for."""
        self._settled_changes = -1
        """What made the target ready, before the first write, has to be waited for, too."""

    def write(self, offset: int, data: Buffer) -> None:
        view = memoryview(data)
        done, length = 0, len(view)
        while done < length:
            done += os.pwrite(self._fd, view[done:], offset + done)
        self.touched()
        self.written_bytes += length
        self._filled_bytes += length
        self._cover(offset, offset + length)
        if self._filled_bytes >= WINDOW_BYTES:
            self._turn_window()

    def write_zeros(self, offset: int, length: int) -> None:
        """Real zeros, for storage that has to be allocated or cannot make them by itself."""
        end = offset + length
        while offset < end:
            step = min(end - offset, ZERO_GRAIN_BYTES)
            self.write(offset, _ZERO_GRAIN if step == ZERO_GRAIN_BYTES else _ZERO_GRAIN[:step])
            offset += step

    def sync(self) -> None:
        """Return when everything is on stable storage."""
        self._turn_window()
        os.fsync(self._fd)

    def touched(self) -> None:
        """Something was changed, not by `write`: to be said after the change, or `settle` may look too early."""
        self.changes += 1

    def settle(self) -> None:
        """Return when all that was written before is on stable storage; another thread may go on writing.

        Through a description of its own, because the kernel tells an error of the device once to each. Where only holes
        have passed since the last time there is nothing to wait for: of a sparse disk that is most of the times.
        """
        if self.changes == self._settled_changes:
            return
        self._settled_changes = self.changes
        if self._settling_fd < 0:
            self._settling_fd = os.open(f"/proc/self/fd/{self._fd}", os.O_WRONLY | os.O_CLOEXEC)
        os.fdatasync(self._settling_fd)

    def close(self) -> None:
        for fd in (self._fd, self._settling_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._settling_fd = -1

    def _cover(self, start: int, end: int) -> None:
        if self._filling:
            first, last = self._filling[-1]
            if first <= start <= last + NEAR_BYTES:
                self._filling[-1] = (first, max(last, end))
                return
        self._filling.append((start, end))

    def _turn_window(self) -> None:
        """Start to write the window that was just filled, and finish the one before."""
        try:
            if self._paced:
                for start, end in self._filling:
                    kernel.start_writeback(self._fd, start, end - start)
                for start, end in self._draining:
                    kernel.finish_writeback(self._fd, start, end - start)
                    kernel.drop_cache(self._fd, start, end - start)
        except OSError as error:
            if error.errno not in kernel.UNSUPPORTED:
                raise
            self._paced = False
        self._draining, self._filling, self._filled_bytes = self._filling, [], 0


def split_zeros(offset: int, data: Buffer) -> Iterator[tuple[int, memoryview, bool]]:
    """Cut data into runs `(offset, bytes, whether they are all zero)` at multiples of the zero grain of the disk."""
    view = memoryview(data)
    start, end = offset, offset + len(view)
    zero = False
    cursor = offset
    while cursor < end:
        after = min(end, cursor - cursor % ZERO_GRAIN_BYTES + ZERO_GRAIN_BYTES)
        kind = all_zero(view[cursor - offset : after - offset])
        if kind != zero and cursor > start:
            yield start, view[start - offset : cursor - offset], zero
            start = cursor
        zero = kind
        cursor = after
    if end > start:
        yield start, view[start - offset :], zero


def all_zero(view: memoryview) -> bool:
    """Of at most one grain. Nothing is copied, and data is told by its first bytes that are none."""
    length = len(view)
    return (_ZERO_GRAIN if length == ZERO_GRAIN_BYTES else _ZERO_GRAIN[:length]) == view
