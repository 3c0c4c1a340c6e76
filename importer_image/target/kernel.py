"""The system calls of Linux for sparse files and the page cache that Python's os module does not have.

All of them release the GIL and raise OSError. Each works on files and on block devices alike.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_fallocate = _libc.fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _libc.sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

_syncfs = _libc.syncfs
_syncfs.argtypes = (ctypes.c_int,)

KEEP_SIZE_AND_PUNCH_HOLE = 0x01 | 0x02
START_WRITEBACK = 0x02
WAIT_WRITE_WAIT = 0x01 | 0x02 | 0x04
BLKZEROOUT = 0x127F

UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENOTTY)
"""What a file system or device answers that cannot do what was asked, though it could be done by hand."""


def allocate(fd: int, offset: int, length: int) -> None:
    """Reserve real storage that reads as zeros."""
    _call(_fallocate, fd, 0, offset, length)


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Make a range read as zeros without storage: a hole in a file, an unmapping write-zeroes on a device."""
    _call(_fallocate, fd, KEEP_SIZE_AND_PUNCH_HOLE, offset, length)


def zero_out(fd: int, offset: int, length: int) -> None:
    """Make a range of a block device, in whole sectors, read as zeros by the fastest means that it has."""
    fcntl.ioctl(fd, BLKZEROOUT, struct.pack("QQ", offset, length))


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Let the kernel begin to write dirty pages out."""
    _call(_sync_file_range, fd, offset, length, START_WRITEBACK)


def finish_writeback(fd: int, offset: int, length: int) -> None:
    """Wait until dirty pages are written out. An error of the device shows here, and then not again in fsync."""
    _call(_sync_file_range, fd, offset, length, WAIT_WRITE_WAIT)


def drop_cache(fd: int, offset: int, length: int) -> None:
    """Give clean pages back."""
    os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def sync_filesystem(fd: int) -> None:
    """Everything that was written to the filesystem in which this lies is on stable storage when this returns."""
    _call(_syncfs, fd)


def sync_directory(path: str) -> None:
    """Make names stable that were made or removed there; not every filesystem can do that."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, errno.EACCES):
            raise


def _call(function: ctypes._FuncPointer, *arguments: int) -> None:
    while function(*arguments) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
