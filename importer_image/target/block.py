"""The disk as a block device, whose content is not ours and not known.

Zeros are made by one unmapping write-zeroes over the whole device where the storage can do that (all thin storage and
loop devices can), and otherwise one by one as the image needs them. What lies behind the end of the image is not part
of the disk. A blank disk has no extents, so nothing happens to its device at all (spec 5.3).
"""

from __future__ import annotations

import os

from importer_image import job
from importer_image.errors import target_failure
from importer_image.extent import Extent
from importer_image.target import kernel
from importer_image.target.space import require_room, whole_sectors
from importer_image.target.writer import Writer, split_zeros

PUNCH_BYTES = 1 << 30
"""One call must not take minutes: a signal is heard only between two."""
ZERO_OUT_LEAST_BYTES = 1 << 20
"""Below this, writing zeros through the page cache is quicker than asking the device."""
DEVICE_ALIGNMENT_BYTES = 4096
DISCARDED_BYTES = 1 << 20


class BlockTarget:
    def __init__(self, target: job.Target) -> None:
        self.path = target.path
        self.preallocated = target.preallocate
        self._reads_zero: bool | None = False if target.preallocate else None
        """None: not tried yet."""
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
            self.available_bytes = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise target_failure("open", self.path, error) from error
        self._writer = Writer(self._fd)

    @property
    def written_bytes(self) -> int:
        return self._writer.written_bytes

    def begin(self, virtual_bytes: int | None) -> None:
        require_room(virtual_bytes or 0, self.available_bytes)

    def write(self, extent: Extent) -> None:
        end = extent.offset + extent.length
        if end > self.available_bytes:
            require_room(end, self.available_bytes)
        if self._reads_zero is None:
            self._reads_zero = self._punch_all()
        try:
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
        except OSError as error:
            raise target_failure("write", self.path, error) from error

    def finish(self, virtual_bytes: int) -> None:
        try:
            self._zero(virtual_bytes, whole_sectors(virtual_bytes) - virtual_bytes)
            self._writer.sync()
        except OSError as error:
            raise target_failure("finish", self.path, error) from error

    def discard(self) -> None:
        """Without its beginning no disk boots, mounts or has a partition table."""
        if not self._writer.written_bytes:
            return
        try:
            self._writer.write_zeros(0, min(DISCARDED_BYTES, self.available_bytes))
            self._writer.sync()
        except OSError as error:
            raise target_failure("clear", self.path, error) from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _punch_all(self) -> bool:
        """Whether the whole device now reads as zeros. A device that cannot says so in many ways: all mean no."""
        try:
            for offset in range(0, self.available_bytes, PUNCH_BYTES):
                kernel.punch_hole(self._fd, offset, min(PUNCH_BYTES, self.available_bytes - offset))
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
        self._writer.write_zeros(body_end, end - body_end)
