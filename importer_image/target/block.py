"""The disk as a block device, whose content is not ours and not known.

Zeros are made by one unmapping write-zeroes over the whole device where the storage can do that (all thin storage and
loop devices can), and otherwise one by one as the image needs them. What lies behind the end of the image is not part
of the disk. A blank disk has no extents, so nothing happens to its device at all (spec 5.3).

The first megabyte of the disk is put in its place last. Until then a mark stands there, so that at no moment, whatever
kills us or the machine, half of an image looks like a disk: nothing boots from it, mounts it or finds partitions. The
mark has a number that tells this attempt's device from any other, and a journal of it from that of any other.
"""

from __future__ import annotations

import os
import re

from importer_image import job
from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import target_failure
from importer_image.extent import Extent
from importer_image.target import kernel
from importer_image.target.journal import Journal
from importer_image.target.space import require_room, whole_sectors
from importer_image.target.writer import ZERO_GRAIN_BYTES, Writer, split_zeros

PUNCH_BYTES = 1 << 30
"""One call must not take minutes: a signal is heard only between two."""
ZERO_OUT_LEAST_BYTES = 1 << 20
"""Below this, writing zeros through the page cache is quicker than asking the device."""
DEVICE_ALIGNMENT_BYTES = 4096
HEAD_BYTES = 1 << 20
MARK = "cdi-importer: import {} is not finished\n"
MARKED = re.compile(MARK.format("([0-9a-f]{32})").encode())


class BlockTarget:
    def __init__(self, target: job.Target) -> None:
        self.path = target.path
        self.preallocated = target.preallocate
        self._reads_zero = False
        self._kept = UNTOUCHED
        self._number = ""
        """Of this attempt, and of those that it goes on from."""
        self._marked = False
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
            self.available_bytes = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise target_failure("open", self.path, error) from error
        self._writer = Writer(self._fd)
        self._head = bytearray(min(HEAD_BYTES, self.available_bytes))
        self.withheld_bytes = len(self._head)
        name = f".{os.path.basename(self.path)}.journal"
        self.journal = Journal(target.journal_dir, name) if target.journal_dir else None

    @property
    def written_bytes(self) -> int:
        return self._writer.written_bytes

    @property
    def changes(self) -> int:
        return self._writer.changes

    def imprint(self) -> str:
        if self._number:
            return self._number
        try:
            found = MARKED.match(os.pread(self._fd, 512, 0))
        except OSError:
            return ""
        return found[1].decode() if found else ""

    def begin(self, virtual_bytes: int | None, kept: Covered = UNTOUCHED) -> Covered:
        require_room(virtual_bytes or 0, self.available_bytes)
        self._kept = kept
        self._number = (kept and self.imprint()) or os.urandom(16).hex()
        return kept

    def write(self, extent: Extent) -> None:
        offset, end = extent.offset, extent.offset + extent.length
        if end > self.available_bytes:
            require_room(end, self.available_bytes)
        try:
            if not self._marked:
                self._mark()
            withheld = max(min(end, len(self._head)) - offset, 0)
            if withheld and extent.data is not None:
                self._head[offset : offset + withheld] = memoryview(extent.data)[:withheld]
            if offset + withheld < end:
                self._put(after(extent, withheld))
        except OSError as error:
            raise target_failure("write", self.path, error) from error

    def settle(self) -> None:
        try:
            self._writer.settle()
        except OSError as error:
            raise target_failure("sync", self.path, error) from error

    def finish(self, virtual_bytes: int) -> None:
        end = whole_sectors(virtual_bytes)
        try:
            if self._marked:
                self._zero(max(virtual_bytes, len(self._head)), end - max(virtual_bytes, len(self._head)))
                self._writer.sync()
                self._put_head(memoryview(self._head)[:end])
            self._writer.sync()
            self._forget()
        except OSError as error:
            raise target_failure("finish", self.path, error) from error

    def discard(self) -> None:
        if not self._marked:
            return
        try:
            self._forget()
            self._writer.write_zeros(0, len(self._head))
            self._writer.sync()
        except OSError as error:
            raise target_failure("clear", self.path, error) from error

    def close(self) -> None:
        self._writer.close()
        if self.journal:
            self.journal.close()

    def _forget(self) -> None:
        if self.journal:
            self.journal.remove()

    def _mark(self) -> None:
        """Make everything read as zeros that is not kept, if the device can, and put the mark where it will be seen."""
        if not self._kept:
            self._forget()
        self._reads_zero = not self.preallocated and self._punch_all_but(self._kept)
        if not self._reads_zero:
            self._writer.write_zeros(0, len(self._head))
        self._writer.write(0, MARK.format(self._number).encode())
        self._writer.settle()
        self._marked = True

    def _put(self, extent: Extent) -> None:
        if extent.data is None:
            self._zero(extent.offset, extent.length)
        elif self.preallocated:
            self._writer.write(extent.offset, extent.data)
        else:
            for offset, data, zero in split_zeros(extent.offset, extent.data):
                if zero:
                    self._zero(offset, len(data))
                else:
                    self._writer.write(offset, data)

    def _put_head(self, head: memoryview) -> None:
        """All of the piece with the mark, whatever it holds."""
        self._writer.write(0, head[:ZERO_GRAIN_BYTES])
        self._put(Extent(ZERO_GRAIN_BYTES, max(len(head) - ZERO_GRAIN_BYTES, 0), head[ZERO_GRAIN_BYTES:]))

    def _punch_all_but(self, kept: Covered) -> bool:
        """Whether all the rest now reads as zeros. A device that cannot says so in many ways: all mean no."""
        try:
            for start, end in kept.gaps(0, self.available_bytes):
                for offset in range(start, end, PUNCH_BYTES):
                    kernel.punch_hole(self._fd, offset, min(PUNCH_BYTES, end - offset))
        except OSError:
            return False
        return True

    def _zero(self, offset: int, length: int) -> None:
        if self._reads_zero:
            return
        end = offset + length
        body = -(-offset // DEVICE_ALIGNMENT_BYTES) * DEVICE_ALIGNMENT_BYTES
        body_end = end // DEVICE_ALIGNMENT_BYTES * DEVICE_ALIGNMENT_BYTES
        if self.preallocated or body_end - body < ZERO_OUT_LEAST_BYTES:
            self._writer.write_zeros(offset, length)
            return
        self._writer.write_zeros(offset, body - offset)
        for start in range(body, body_end, PUNCH_BYTES):
            kernel.zero_out(self._fd, start, min(PUNCH_BYTES, body_end - start))
        self._writer.touched()
        self._writer.write_zeros(body_end, end - body_end)


def after(extent: Extent, length: int) -> Extent:
    """What is left of it without so many bytes at its beginning."""
    data = None if extent.data is None else memoryview(extent.data)[length:]
    return Extent(extent.offset + length, extent.length - length, data)
