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
_NOTHING = (0, 0)


class Writer:
    """Positional writes to one descriptor, which is closed with it. `written_bytes`: what was really written."""

    def __init__(self, fd: int) -> None:
        self.written_bytes = 0
        self._fd = fd
        self._settling_fd = -1
        self._filled_bytes = 0
        self._filling = _NOTHING
        """First byte and end of what the window covers. Writes come in nearly ascending order, so a span will do."""
        self._draining = _NOTHING
        self._paced = True
        self._unsettled = True
        """Whether there may be something to wait for. What made the target ready, before the first write, counts."""

    def write(self, offset: int, data: Buffer) -> None:
        view = memoryview(data)
        done, length = 0, len(view)
        while done < length:
            done += os.pwrite(self._fd, view[done:], offset + done)
        self.touched()
        self.written_bytes += length
        self._filled_bytes += length
        start, end = self._filling if self._filled_bytes > length else (offset, offset)
        self._filling = (min(start, offset), max(end, offset + length))
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
        self._unsettled = True

    def settle(self) -> None:
        """Return when all that was written before is on stable storage; another thread may go on writing.

        Through a description of its own, because the kernel tells an error of the device once to each. Where only holes
        have passed since the last time there is nothing to wait for: of a sparse disk that is most of the times.
        """
        if not self._unsettled:
            return
        self._unsettled = False
        if self._settling_fd < 0:
            self._settling_fd = os.open(f"/proc/self/fd/{self._fd}", os.O_WRONLY | os.O_CLOEXEC)
        os.fdatasync(self._settling_fd)

    def close(self) -> None:
        for fd in (self._fd, self._settling_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._settling_fd = -1

    def _turn_window(self) -> None:
        """Start to write the window that was just filled, and finish the one before."""
        (start, end), (old_start, old_end) = self._filling, self._draining
        try:
            if self._paced and end > start:
                kernel.start_writeback(self._fd, start, end - start)
            if self._paced and old_end > old_start:
                kernel.finish_writeback(self._fd, old_start, old_end - old_start)
                kernel.drop_cache(self._fd, old_start, old_end - old_start)
        except OSError as error:
            if error.errno not in kernel.UNSUPPORTED:
                raise
            self._paced = False
        self._draining, self._filling, self._filled_bytes = self._filling, _NOTHING, 0


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
