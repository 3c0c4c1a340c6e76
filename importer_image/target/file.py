"""The disk as a sparse file in a filesystem, `disk.img` in the root of a volume.

The file is always made anew: what an earlier attempt left is removed first, and its storage counts as available.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from importer_image import job
from importer_image.errors import target_failure
from importer_image.extent import Extent
from importer_image.target import kernel
from importer_image.target.space import disk_bytes, require_room, whole_sectors
from importer_image.target.writer import Writer, split_zeros

MODE = 0o660
"""Virtual machines read it as a member of the group that owns the volume (spec 5.6)."""

UNLIMITED_BYTES = 1 << 62
"""For filesystems that do not say how large they are."""


class FileTarget:
    def __init__(self, target: job.Target) -> None:
        self.path = os.path.join(target.path, target.file)
        self.preallocated = False
        self._directory = target.path
        self._wanted = target
        self._fd = -1
        self._writer = Writer(-1)
        self._zeros_by_hand = False
        try:
            self.available_bytes = self._room()
        except OSError as error:
            raise target_failure("open", self._directory, error) from error

    @property
    def written_bytes(self) -> int:
        return self._writer.written_bytes

    def begin(self, virtual_bytes: int | None) -> None:
        if virtual_bytes is not None:
            require_room(virtual_bytes, self.available_bytes)
        try:
            self._remove()
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
            self._writer = Writer(self._fd)
            os.fchmod(self._fd, MODE)
            if self._wanted.preallocate:
                self.preallocated = True
                self._zeros_by_hand = not self._can_allocate()
            if virtual_bytes is not None:
                self._resize(virtual_bytes)
        except OSError as error:
            raise target_failure("create", self.path, error) from error

    def write(self, extent: Extent) -> None:
        end = extent.offset + extent.length
        if end > self.available_bytes:
            require_room(end, self.available_bytes)
        try:
            if extent.data is None:
                if self._zeros_by_hand:
                    self._writer.write_zeros(extent.offset, extent.length)
            elif self._zeros_by_hand:
                self._writer.write(extent.offset, extent.data)
            else:
                for offset, data, zero in split_zeros(extent.offset, extent.data):
                    if not zero:
                        self._writer.write(offset, data)
        except OSError as error:
            raise target_failure("write", self.path, error) from error

    def finish(self, virtual_bytes: int) -> None:
        try:
            size = self._resize(virtual_bytes)
            if self._zeros_by_hand:
                self._writer.write_zeros(virtual_bytes, size - virtual_bytes)
            self._writer.sync()
            self._sync_name()
        except OSError as error:
            raise target_failure("finish", self.path, error) from error

    def discard(self) -> None:
        if self._fd < 0:
            return
        try:
            self._remove()
        except OSError as error:
            raise target_failure("remove", self.path, error) from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _sync_name(self) -> None:
        """The name of a new file is stable only when its directory is; not every filesystem can do that."""
        try:
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            if error.errno not in (*kernel.UNSUPPORTED, errno.EACCES):
                raise

    def _room(self) -> int:
        filesystem = os.statvfs(self._directory)
        if not filesystem.f_blocks:
            return self._wanted.size_bytes or UNLIMITED_BYTES
        room = filesystem.f_bavail * filesystem.f_frsize
        with suppress(FileNotFoundError):
            room += os.lstat(self.path).st_blocks * 512
        return min(room, self._wanted.size_bytes) if self._wanted.size_bytes else room

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def _resize(self, virtual_bytes: int) -> int:
        """Give the file the size of the disk, with storage where that was asked for."""
        wanted = self._wanted
        size = disk_bytes(whole_sectors(virtual_bytes), wanted.size_bytes, self.available_bytes, wanted.overhead)
        if self.preallocated and not self._zeros_by_hand and size:
            kernel.allocate(self._fd, 0, size)
        os.ftruncate(self._fd, size)
        return size

    def _can_allocate(self) -> bool:
        try:
            kernel.allocate(self._fd, 0, 1)
        except OSError as error:
            if error.errno not in kernel.UNSUPPORTED:
                raise
            return False
        return True
