"""A disk that an earlier import has made, file or device, to which a delta is applied (spec 2.7, 5.3).

Nothing may be taken for granted here that is true of a new disk: zeros have to be made, because data may lie where they
belong, and what the delta does not mention stays as it is. A delta that broke off leaves the disk between two
checkpoints; the same delta over it once more makes it whole, so nothing is removed on failure.
"""

from __future__ import annotations

import os
import stat

from importer_image import job
from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent, target_failure
from importer_image.extent import Extent
from importer_image.target import kernel
from importer_image.target.space import require_room
from importer_image.target.writer import Writer, split_zeros

ALIGNMENT_BYTES = 4096
"""Devices make zeros only in whole blocks."""
PUNCH_BYTES = 1 << 30
"""One call must not take minutes: a signal is heard only between two."""


class ExistingDisk:
    journal = None
    withheld_bytes = 0

    def __init__(self, target: job.Target) -> None:
        self.path = target.path if target.volume_mode == "Block" else os.path.join(target.path, target.file)
        self.preallocated = target.preallocate
        exclusive = os.O_EXCL if target.volume_mode == "Block" else 0
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | exclusive)
            self._is_device = stat.S_ISBLK(os.fstat(self._fd).st_mode)
            self.available_bytes = os.lseek(self._fd, 0, os.SEEK_END)
        except FileNotFoundError as error:
            raise Permanent(
                "Disk image does not exist, cannot apply deltas for warm migration",
                "Import the first checkpoint, the one without a previous one, to this volume before.",
            ) from error
        except OSError as error:
            raise target_failure("open", self.path, error) from error
        self._punches = not target.preallocate
        self._writer = Writer(self._fd)

    @property
    def written_bytes(self) -> int:
        return self._writer.written_bytes

    @property
    def changes(self) -> int:
        return self._writer.changes

    def imprint(self) -> str:
        return ""

    def begin(self, virtual_bytes: int | None, kept: Covered = UNTOUCHED) -> Covered:
        """The disk was given its size by the import of the first checkpoint (spec 5.3): it is not resized."""
        require_room(virtual_bytes or 0, self.available_bytes)
        return UNTOUCHED

    def write(self, extent: Extent) -> None:
        require_room(extent.offset + extent.length, self.available_bytes)
        try:
            if extent.data is None:
                self._zero(extent.offset, extent.length)
                return
            for offset, data, zero in split_zeros(extent.offset, extent.data):
                if zero:
                    self._zero(offset, len(data))
                else:
                    self._writer.write(offset, data)
        except OSError as error:
            raise target_failure("write", self.path, error) from error

    def settle(self) -> None:
        self._writer.settle()

    def finish(self, virtual_bytes: int) -> None:
        try:
            self._writer.sync()
        except OSError as error:
            raise target_failure("finish", self.path, error) from error

    def discard(self) -> None:
        """See above: what is there is needed."""

    def close(self) -> None:
        self._writer.close()

    def _zero(self, offset: int, length: int) -> None:
        """Whole blocks without storage, or with it where the disk shall keep its own; the rest by hand."""
        end = offset + length
        body = min(-(-offset // ALIGNMENT_BYTES) * ALIGNMENT_BYTES, end)
        body_end = max(end // ALIGNMENT_BYTES * ALIGNMENT_BYTES, body)
        self._writer.write_zeros(offset, body - offset)
        for start in range(body, body_end, PUNCH_BYTES):
            self._zero_blocks(start, min(PUNCH_BYTES, body_end - start))
        self._writer.write_zeros(body_end, end - body_end)

    def _zero_blocks(self, offset: int, length: int) -> None:
        if self._punches:
            try:
                kernel.punch_hole(self._fd, offset, length)
                return
            except OSError as error:
                if error.errno not in kernel.UNSUPPORTED:
                    raise
                self._punches = False
        if self._is_device:
            kernel.zero_out(self._fd, offset, length)
        else:
            self._writer.write_zeros(offset, length)
