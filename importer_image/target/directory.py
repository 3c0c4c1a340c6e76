"""The root of a filesystem as the place for the content of an archive.

What is there already stays, as with tar, unless the archive has something of the same name. No symbolic link is ever
followed on the way to a member, whoever made it: each directory is opened from the one above it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from importer_image.entry import Entry
from importer_image.errors import Permanent, target_failure
from importer_image.target import kernel
from importer_image.target.writer import WINDOW_BYTES, Writer

UNSYNCED_BYTES = 64 << 20
"""Dirty pages of files that are closed. Nobody counts them for us, and the page cache of a pod is small."""
DIRECTORIES = 50_000
"""Whose permissions and times wait for the end, because the files in them change the ones and need the others."""
WORKING_MODE = 0o700
IMPLIED_MODE = 0o755
"""Of a directory that the archive does not mention, but has files in."""
PATH_ONLY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NO_DIRECTORY = (errno.ENOTDIR, errno.ELOOP)

Path = tuple[str, ...]


class Directory:
    def __init__(self, path: str) -> None:
        """Raises Permanent when it cannot be opened."""
        self.path = path
        self.written_bytes = 0
        self._unsynced_bytes = 0
        self._waiting: dict[Path, Entry] = {}
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise target_failure("open", path, error) from error
        self._latest: Path = ()
        """The directory that was opened last: the next entry mostly lies there, too."""
        self._latest_fd = os.dup(self._root)

    def put(self, entry: Entry) -> None:
        """Raises Permanent, and whatever reading the content raises."""
        if not entry.path:
            return  # The root is the volume's, and so are its permissions: they are made for those who mount it.
        try:
            place, name = self._inside(entry.path[:-1]), entry.path[-1]
            match entry.kind:
                case "directory":
                    self._make(place, name)
                    self._waiting[entry.path] = entry
                case "file":
                    self._write(entry, self._new(lambda: create(place, name), place, name))
                case "symlink":
                    self._new(lambda: os.symlink("/".join(entry.link), name, dir_fd=place), place, name)
                case "hardlink":
                    self._link(entry, place, name)
            if len(self._waiting) > DIRECTORIES:
                self._settle_directories()
        except OSError as error:
            raise target_failure("write", os.path.join(self.path, *entry.path), error) from error

    def finish(self) -> None:
        """Return when all of it is on stable storage."""
        try:
            self._settle_directories()
            kernel.sync_filesystem(self._root)
        except OSError as error:
            raise target_failure("finish", self.path, error) from error

    def close(self) -> None:
        os.close(self._latest_fd)
        os.close(self._root)

    def _make(self, place: int, name: str) -> None:
        try:
            os.mkdir(name, WORKING_MODE, dir_fd=place)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(name, dir_fd=place).st_mode):
                self._adjust(place, name, WORKING_MODE)
            else:
                os.unlink(name, dir_fd=place)
                os.mkdir(name, WORKING_MODE, dir_fd=place)

    def _write(self, entry: Entry, fd: int) -> None:
        writer, end = Writer(fd), 0
        try:
            for offset, data in entry.content:
                writer.write(offset, data)
                end = offset + len(data)
            if end < entry.size_bytes:
                os.ftruncate(fd, entry.size_bytes)
            os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.modified_ns, entry.modified_ns))
        finally:
            writer.close()
        self.written_bytes += writer.written_bytes
        self._unsynced_bytes += min(writer.written_bytes, 2 * WINDOW_BYTES)
        if self._unsynced_bytes >= UNSYNCED_BYTES:
            kernel.sync_filesystem(self._root)
            self._unsynced_bytes = 0

    def _link(self, entry: Entry, place: int, name: str) -> None:
        if entry.link == entry.path:
            return
        try:
            there = self._walk(entry.link[:-1], make=False)
        except FileNotFoundError as error:
            raise lost(entry) from error
        try:
            if not stat.S_ISREG(os.lstat(entry.link[-1], dir_fd=there).st_mode):
                raise lost(entry)
            self._new(
                lambda: os.link(entry.link[-1], name, src_dir_fd=there, dst_dir_fd=place, follow_symlinks=False),
                place,
                name,
            )
        except FileNotFoundError as error:
            raise lost(entry) from error
        finally:
            os.close(there)

    def _new(self, make: Callable[[], int | None], place: int, name: str) -> int:
        """What `make` makes, in the place of what may be there under that name."""
        try:
            return make() or 0
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(name, dir_fd=place).st_mode):
                os.rmdir(name, dir_fd=place)
            else:
                os.unlink(name, dir_fd=place)
            return make() or 0

    def _inside(self, path: Path) -> int:
        if path != self._latest:
            found = self._walk(path, make=True)
            os.close(self._latest_fd)
            self._latest, self._latest_fd = path, found
        return self._latest_fd

    def _walk(self, path: Path, make: bool) -> int:
        """Open a directory, and make what is missing of it if told so. Raises Permanent for a way through a link."""
        fd = os.dup(self._root)
        for depth, name in enumerate(path, 1):
            try:
                below = step(fd, name, make)
            except OSError as error:
                if error.errno not in NO_DIRECTORY:
                    raise
                through = "/".join(path[:depth])
                raise Permanent(
                    f"{'/'.join(path)!r} leads through {through!r}, which is a link or a file",
                    "Unpack into an empty volume; an archive with such paths was made to do harm.",
                ) from error
            finally:
                os.close(fd)
            fd = below
        return fd

    def _settle_directories(self) -> None:
        """The deepest first: the way to them leads through the others."""
        for path, entry in sorted(self._waiting.items(), key=lambda item: -len(item[0])):
            with suppress(FileNotFoundError):
                place = self._walk(path[:-1], make=False)
                try:
                    self._adjust(place, path[-1], entry.mode, entry.modified_ns)
                finally:
                    os.close(place)
        self._waiting.clear()

    def _adjust(self, place: int, name: str, mode: int, modified_ns: int | None = None) -> None:
        """Not those of a directory that is somebody else's, such as lost+found."""
        try:
            fd = os.open(name, PATH_ONLY, dir_fd=place)
        except OSError as error:
            if error.errno not in NO_DIRECTORY:
                raise
            return
        try:
            with suppress(PermissionError):
                os.chmod(f"/proc/self/fd/{fd}", mode)
                if modified_ns is not None:
                    os.utime(f"/proc/self/fd/{fd}", ns=(modified_ns, modified_ns))
        finally:
            os.close(fd)


def create(place: int, name: str) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)


def step(place: int, name: str, make: bool) -> int:
    try:
        return os.open(name, PATH_ONLY, dir_fd=place)
    except FileNotFoundError:
        if not make:
            raise
        os.mkdir(name, IMPLIED_MODE, dir_fd=place)
        return os.open(name, PATH_ONLY, dir_fd=place)


def lost(entry: Entry) -> Permanent:
    return Permanent(
        f"member {entry.name!r} is a hard link to {'/'.join(entry.link)!r}, which is no file that came before",
        "Build the archive again.",
    )
