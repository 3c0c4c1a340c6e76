"""The disk as a sparse file in a filesystem, `disk.img` in the root of a volume.

The file is made anew, unless the journal beside it says how to go on with it: what else an earlier attempt left is
removed first, and its storage counts as available. Two imports cannot write to one file: each locks it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress

from importer_image import job
from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Transient, target_failure
from importer_image.extent import Extent
from importer_image.target import kernel
from importer_image.target.journal import Journal
from importer_image.target.space import disk_bytes, require_room, whole_sectors
from importer_image.target.writer import Writer, split_zeros

MODE = 0o660
"""Virtual machines read it as a member of the group that owns the volume (spec 5.6)."""

UNLIMITED_BYTES = 1 << 62
"""For filesystems that do not say how large they are."""

JOURNAL_ROOM_BYTES = 8 << 20
"""Where the disk may leave less than this, it gets all of it, and no journal."""


class FileTarget:
    withheld_bytes = 0

    def __init__(self, target: job.Target) -> None:
        self.path = os.path.join(target.path, target.file)
        self.preallocated = False
        self._directory = target.path
        self._wanted = target
        self._fd = -1
        self._writer = Writer(-1)
        self._zeros_by_hand = False
        self._journal = Journal(target.path, f".{target.file}.journal")
        try:
            self._free_bytes = self._room()
        except OSError as error:
            raise target_failure("open", self._directory, error) from error
        self.available_bytes = min(self._free_bytes, target.size_bytes or UNLIMITED_BYTES)
        self._size_bytes = 0

    @property
    def written_bytes(self) -> int:
        return self._writer.written_bytes

    @property
    def changes(self) -> int:
        return self._writer.changes

    @property
    def journal(self) -> Journal | None:
        return self._journal if self._size_bytes + JOURNAL_ROOM_BYTES <= self._free_bytes else None

    def imprint(self) -> str:
        try:
            found = os.fstat(self._fd) if self._fd >= 0 else os.lstat(self.path)
        except OSError:
            return ""
        return f"{found.st_ino} {found.st_size}" if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else ""

    def begin(self, virtual_bytes: int | None, kept: Covered = UNTOUCHED) -> Covered:
        if virtual_bytes is not None:
            require_room(virtual_bytes, self.available_bytes)
        try:
            if not (self._taken_over() and kept):
                kept = UNTOUCHED
                self._create()
            if self._wanted.preallocate:
                self.preallocated = True
                self._zeros_by_hand = not self._can_allocate()
            if kept and not self._emptied_but_for(kept):
                kept = UNTOUCHED
                self._create()
            if virtual_bytes is not None:
                self._size_bytes = self._resize(virtual_bytes)
        except OSError as error:
            raise target_failure("create", self.path, error) from error
        return kept

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

    def settle(self) -> None:
        try:
            self._writer.settle()
        except OSError as error:
            raise target_failure("sync", self.path, error) from error

    def finish(self, virtual_bytes: int) -> None:
        try:
            size = self._resize(virtual_bytes)
            if self._zeros_by_hand:
                self._writer.write_zeros(virtual_bytes, size - virtual_bytes)
            self._writer.sync()
            self._journal.remove()
            kernel.sync_directory(self._directory)
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
        self._writer.close()
        self._journal.close()
        self._fd = -1

    def _room(self) -> int:
        """What is free or taken by an earlier attempt."""
        filesystem = os.statvfs(self._directory)
        if not filesystem.f_blocks:
            return self._wanted.size_bytes or UNLIMITED_BYTES
        room = filesystem.f_bavail * filesystem.f_frsize
        with suppress(FileNotFoundError):
            room += os.lstat(self.path).st_blocks * 512
        return room

    def _create(self) -> None:
        self._writer.close()
        self._remove()
        self._take(os.O_CREAT | os.O_EXCL)

    def _taken_over(self) -> bool:
        """Whether there is a file of an earlier attempt, which is ours now."""
        if not self.imprint():
            return False
        try:
            self._take(os.O_NOFOLLOW)
        except OSError:
            return False
        return True

    def _take(self, flags: int) -> None:
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | flags, MODE)
        try:
            self._lock(fd)
            os.fchmod(fd, MODE)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._writer = Writer(fd)

    def _remove(self) -> None:
        """First the journal, which would describe the next file that gets this one's number."""
        self._journal.remove()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def _lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Transient(f"{self.path} is being written by another import", "Wait until that has ended.") from error
        except OSError as error:
            if error.errno not in kernel.UNSUPPORTED:
                raise

    def _emptied_but_for(self, kept: Covered) -> bool:
        """Whether nothing but that is left in the file of an earlier attempt."""
        if self._zeros_by_hand:
            return True
        try:
            for start, end in kept.gaps(0, os.fstat(self._fd).st_size):
                kernel.punch_hole(self._fd, start, end - start)
        except OSError as error:
            if error.errno not in kernel.UNSUPPORTED:
                raise
            return False
        return True

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
