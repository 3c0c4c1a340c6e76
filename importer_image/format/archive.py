"""The entries of a tar, in the order in which they come, with everything refused that reaches out of a directory.

The headers (ustar, pax, GNU with long names and the ways of both to tell of holes) are taken apart by the standard
library, which is held in check: it may not go back, nor read more than HEADERS_BYTES of headers for one member, because
it keeps them in memory. Content does not pass through it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from importer_image.entry import Entry
from importer_image.errors import ImportFailure, Permanent

if TYPE_CHECKING:
    from importer_image.source import Source

Result = TypeVar("Result")

BLOCK_BYTES = 512
HEADERS_BYTES = 4 << 20
"""Of one member: 170,000 pieces of a sparse file."""
GLOBAL_HEADERS_BYTES = 64 << 10
LARGEST_BYTES = 1 << 62
PATH_BYTES = 4096
"""No system call takes a longer one."""
TRAILING_BYTES = 64 << 20
"""What may follow the end mark: tar fills up its last record, which is at most this large."""
FILE_MODE, DIRECTORY_MODE = 0o777, 0o3777
"""Not the bits that make a program run as its owner: that is not who it was."""
SPECIAL = {tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device", tarfile.FIFOTYPE: "named pipe"}
LABELS = (b"V",)
"""GNU's name for a volume is not a file."""


class Archive:
    def __init__(self, source: Source, layers: str = "") -> None:
        """`layers`: in which compression it came, for its name."""
        self.name = f"tar{layers}"
        self._stream = Forward(source.stream())

    def entries(self) -> Iterator[Entry]:
        """Raises Permanent for what is no tar, broken, cut off, or must not be unpacked."""
        stream: Any = self._stream
        archive: Any = understood(
            lambda: tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape"), stream
        )
        while (member := understood(archive.next, stream)) is not None:
            archive.members.clear()
            if sum(map(len, archive.pax_headers.values())) > GLOBAL_HEADERS_BYTES:
                raise broken("its global headers are absurdly long")
            if member.type not in LABELS:
                yield self._entry(member)
            stream.header_bytes = 0
        if any(stream.latest):
            raise broken(f"there is no header at byte {stream.tell() - BLOCK_BYTES}, where one belongs")
        if len(stream.latest) < BLOCK_BYTES:
            raise broken("it is cut off: its end mark is missing")
        self._stream.drain(TRAILING_BYTES)

    def _entry(self, member: tarfile.TarInfo) -> Entry:
        path = path_of(member.name, "path", member.name)
        modified_ns = nanoseconds(member.mtime)
        if member.isdir():
            return Entry("directory", path, member.mode & DIRECTORY_MODE, modified_ns)
        if not path:
            raise refused(member.name, "stands for the directory itself, but is none")
        mode = member.mode & FILE_MODE
        if member.issym():
            return Entry("symlink", path, mode, modified_ns, link=symlink_of(member, path))
        if member.islnk():
            return Entry("hardlink", path, mode, modified_ns, link=path_of(member.linkname, "link", member.name))
        if not 0 <= member.size <= LARGEST_BYTES:
            raise broken(f"{member.name!r} has a size that cannot be")
        if not member.isfile():
            raise refused(member.name, f"is a {SPECIAL.get(member.type, 'file of an unknown type')}")
        return Entry("file", path, mode, modified_ns, member.size, self._content(member))

    def _content(self, member: tarfile.TarInfo) -> Iterator[tuple[int, memoryview]]:
        end = 0
        pieces: Any = [(0, member.size)] if member.sparse is None else member.sparse
        for offset, length in pieces:
            if length == 0:
                continue  # GNU's lists are filled up with these.
            if not (end <= offset and length > 0 and offset + length <= member.size):
                raise broken(f"the holes of {member.name!r} contradict each other")
            for view in self._stream.content(length):
                yield offset, view
                offset += len(view)
            end = offset


class Forward:
    """A stream of buffers as the file that tarfile reads headers from."""

    def __init__(self, views: Iterator[memoryview]) -> None:
        self.header_bytes = 0
        self.latest = b""
        """What was read last of headers."""
        self._views = views
        self._view = memoryview(b"")
        self._position = 0

    def tell(self) -> int:
        return self._position

    def read(self, length: int) -> bytes:
        """Fewer bytes only at the end. Raises Permanent when headers have no end."""
        self.header_bytes += length
        if length < 0 or self.header_bytes > HEADERS_BYTES:
            raise broken("the headers of one of its members are absurdly long")
        self.latest = b"".join(map(bytes, self._pieces(length)))
        return self.latest

    def seek(self, position: int) -> None:
        """Forwards."""
        if position < self._position:
            raise broken("one of its members has a size that cannot be")
        for _ in self._pieces(position - self._position):
            pass

    def content(self, length: int) -> Iterator[memoryview]:
        """So many bytes. Raises Permanent when there are fewer."""
        end = self._position + length
        yield from self._pieces(length)
        if self._position < end:
            raise broken("it is cut off in the middle of a file")

    def drain(self, limit_bytes: int) -> None:
        """Read to the end, so that what checks all the bytes can."""
        for view in self._pieces(limit_bytes):
            del view
        if self._more():
            raise broken("too much follows after its end mark")

    def _pieces(self, length: int) -> Iterator[memoryview]:
        while length > 0 and self._more():
            piece = self._view[:length]
            self._view = self._view[len(piece) :]
            self._position += len(piece)
            length -= len(piece)
            yield piece

    def _more(self) -> bool:
        while not self._view:
            view = next(self._views, None)
            if view is None:
                return False
            self._view = view
        return True


def understood(action: Callable[[], Result], stream: Forward) -> Result:
    """What tarfile makes of the headers. It raises errors of many kinds for those that are made to do harm."""
    try:
        return action()
    except ImportFailure:
        raise
    except Exception as error:
        if stream.tell() <= BLOCK_BYTES:
            raise not_a_tar() from error
        raise broken(str(error) or type(error).__name__) from error


def path_of(name: str, what: str, member: str) -> tuple[str, ...]:
    """The names in a path. Raises Permanent for one that leaves the directory, or that no file can have."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/"):
        raise refused(member, f"has an absolute {what}")
    if ".." in parts:
        raise refused(member, f"has a {what} with .. in it")
    if len(name.encode("utf-8", "surrogateescape")) >= PATH_BYTES or "\0" in name:
        raise refused(member, f"has a {what} that no file can have")
    return parts


def symlink_of(member: tarfile.TarInfo, path: tuple[str, ...]) -> tuple[str, ...]:
    """Where it points to. Raises Permanent for what might be outside of the directory.

    A link lies in a real directory, so the `..` that its target begins with can be counted. One after a name cannot:
    the name may be a link itself.
    """
    target = member.linkname
    parts = tuple(part for part in target.split("/") if part not in ("", "."))
    up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    if target.startswith("/") or up > len(path) - 1 or ".." in parts[up:]:
        raise refused(member.name, f"is a symbolic link to {target!r}, which may lie outside")
    if not target or len(target.encode("utf-8", "surrogateescape")) >= PATH_BYTES or "\0" in target:
        raise refused(member.name, "is a symbolic link to what no file can be called")
    return parts or (".",)


def nanoseconds(seconds: float) -> int:
    """Of the time of a member, which may be anything."""
    try:
        return min(max(int(seconds * 1e9), 0), 1 << 62)
    except (ValueError, OverflowError):
        return 0


def refused(member: str, why: str) -> Permanent:
    return Permanent(f"member {member!r} {why}", "Only files, directories and links among them are unpacked.")


def broken(what: str) -> Permanent:
    return Permanent(f"the archive is broken: {what}", "Download or build the archive again.")


def not_a_tar() -> Permanent:
    return Permanent(
        "this is not a tar archive",
        "Content type archive takes a tar, also compressed with gz, xz, zst or bz2. For a disk image leave it out.",
    )
