"""What is in a tar, and every tar that is refused: bytes in, entries or one line for the user out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from importer_image.errors import Permanent
from importer_image.format import archive as archives
from importer_image.format.archive import Archive
from tests.archives import END, base_256, gnu_sparse, member, pax

FILE = member("file", b"content")


class Bytes:
    """A source of bytes, in pieces of an odd size."""

    name = "image"
    ranged = False

    def __init__(self, content: bytes, piece: int = 1000) -> None:
        self.size_bytes = len(content)
        self._content, self._piece = content, piece

    def peek(self, length: int) -> bytes:
        return self._content[:length]

    def stream(self) -> Iterator[memoryview]:
        for start in range(0, len(self._content), self._piece):
            yield memoryview(self._content)[start : start + self._piece]

    def read_ranges(self, ranges):
        raise AssertionError

    def close(self) -> None: ...


def holed(size, parts):
    found = bytearray(size)
    for offset, part in parts.items():
        found[offset : offset + len(part)] = part
    return bytes(found)


def entries(content: bytes, piece: int = 1000):
    """Name, kind, what it holds or points to."""
    found = []
    for entry in Archive(Bytes(content, piece)).entries():
        data = bytearray(entry.size_bytes)
        for offset, view in entry.content:
            data[offset : offset + len(view)] = view
        found.append((entry.name, entry.kind, bytes(data) if entry.kind == "file" else "/".join(entry.link)))
    return found


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (FILE, [("file", "file", b"content")]),
        (member("./a//b/./c", b"x" * 513), [("a/b/c", "file", b"x" * 513)]),
        (member("./", kind=b"5") + member("a/", kind=b"5"), [("", "directory", ""), ("a", "directory", "")]),
        (member("a/l", kind=b"2", link="../file"), [("a/l", "symlink", "../file")]),
        (member("a/l", kind=b"2", link="./b/c"), [("a/l", "symlink", "b/c")]),
        (member("a/l", kind=b"2", link="."), [("a/l", "symlink", ".")]),
        (FILE + member("h", kind=b"1", link="./file"), [("file", "file", b"content"), ("h", "hardlink", "file")]),
        (pax({"path": "größer".encode()}) + FILE, [("größer", "file", b"content")]),
        (member("@", b"n" * 300 + b"\0", kind=b"L") + FILE, [("n" * 300, "file", b"content")]),
        (pax({"mtime": b"nan", "comment": b"c"}) + FILE, [("file", "file", b"content")]),
        (gnu_sparse("s", [(2, 3), (600, 2)], 700, b"abcde"), [("s", "file", holed(700, {2: b"abc", 600: b"de"}))]),
        (member("volume", kind=b"V") + FILE, [("file", "file", b"content")]),
        (b"", []),
    ],
)
@pytest.mark.parametrize("piece", [1, 1000, 1 << 20])
def test_entries(content: bytes, wanted, piece: int) -> None:
    assert entries(content + END, piece) == wanted


BEHIND = 64 << 10


@pytest.mark.parametrize(
    ("content", "text"),
    [
        # what comes                                             what the user reads
        (member("/etc/passwd", b"x"), "member '/etc/passwd' has an absolute path"),
        (member("a/../../b", b"x"), "member 'a/../../b' has a path with .. in it"),
        (member("..", kind=b"5"), "member '..' has a path with .. in it"),
        (pax({"path": b"../b"}) + FILE, "member '../b' has a path with .. in it"),
        (pax({"path": b"a\0b"}) + FILE, "has a path that no file can have"),
        (pax({"path": b"n" * 5000}) + FILE, "has a path that no file can have"),
        (member("./", b"x"), "member './' stands for the directory itself, but is none"),
        (member("h", kind=b"1", link="/etc/passwd"), "member 'h' has an absolute link"),
        (member("h", kind=b"1", link="../passwd"), "member 'h' has a link with .. in it"),
        (member("l", kind=b"2", link="/etc"), "member 'l' is a symbolic link to '/etc', which may lie outside"),
        (member("l", kind=b"2", link=".."), "member 'l' is a symbolic link to '..', which may lie outside"),
        (member("a/l", kind=b"2", link="../../b"), "is a symbolic link to '../../b', which may lie outside"),
        (member("a/l", kind=b"2", link="x/.."), "is a symbolic link to 'x/..', which may lie outside"),
        (member("l", kind=b"2"), "member 'l' is a symbolic link to what no file can be called"),
        (member("c", kind=b"3"), "member 'c' is a character device"),
        (member("b", kind=b"4"), "member 'b' is a block device"),
        (member("p", kind=b"6"), "member 'p' is a named pipe"),
        (member("z", kind=b"Z"), "member 'z' is a file of an unknown type"),
        (member("f", size_field=base_256(-512)), "has a size that cannot be"),
        (member("f", size_field=base_256(1 << 63)), "'f' has a size that cannot be"),
        (gnu_sparse("s", [(4, 3), (2, 2)], 9, b"abcde"), "the holes of 's' contradict each other"),
        (gnu_sparse("s", [(4, 3), (8, 2)], 9, b"abcde"), "the holes of 's' contradict each other"),
        (pax({"GNU.sparse.map": b"0,x", "GNU.sparse.size": b"9"}) + FILE, "the archive is broken"),
        (pax({"GNU.sparse.size": b"-9"}) + FILE, "the archive is broken"),
        (pax({"comment": b""}, size=1 << 32), "the headers of one of its members are absurdly long"),
        (member("@", kind=b"L", size=1 << 32), "the headers of one of its members are absurdly long"),
        (pax({"comment": b"c"}) * 2000 + FILE, "the archive is broken"),
        (pax({str(n): b"g" * 600 for n in range(120)}, kind=b"g") + FILE, "its global headers are absurdly long"),
        (FILE + b"no header" * 100, "there is no header at byte 1024, where one belongs"),
        (FILE + bytes(BEHIND), "too much follows after its end mark"),
    ],
)
def test_refused(content: bytes, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "TRAILING_BYTES", BEHIND - 4096)
    with pytest.raises(Permanent) as found:
        entries(content + END)
    assert text in found.value.text
    assert found.value.hint


@pytest.mark.parametrize("head", [b"", b"x", b"<!DOCTYPE html>" + b"x" * 2000, b"QFI\xfb" + bytes(2000)])
def test_no_tar(head: bytes) -> None:
    with pytest.raises(Permanent, match="this is not a tar archive"):
        entries(head)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (1, "this is not a tar archive"),
        (511, "this is not a tar archive"),
        (512, "it is cut off in the middle of a file"),
        (600, "it is cut off in the middle of a file"),
        (1024, "the archive is broken"),
        (1536, "it is cut off: its end mark is missing"),
        (1537, "the archive is broken"),
    ],
)
def test_cut_off(length: int, text: str) -> None:
    """Two files, the first of 600 bytes."""
    with pytest.raises(Permanent, match=text):
        entries((member("a", b"x" * 600) + END)[:length])


def test_a_sparse_map_without_end() -> None:
    """Each block of it has 21 pieces more and says that another one follows."""
    block = (b"%011o\0%011o\0" % (1, 1)) * 21 + b"\1"
    with pytest.raises(Permanent, match="absurdly long"):
        entries(gnu_sparse("s", [(0, 1)] * 4, 700, b"", extended=True) + block.ljust(512, b"\0") * 9000)
