"""A tar archive, member by member, in one pass and with little memory whatever it says of itself. Pure.

The standard library reads single headers (`TarInfo.frombuf`). Its `TarFile` is not for strangers' archives: it keeps
every member it has seen, reads extended headers whole however large they claim to be, and calls itself once for each
that follows another.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from importer_image.errors import Permanent

BLOCK_BYTES = 512
EXTENDED_LIMIT_BYTES = 1 << 20
"""Of one extended header, as other readers have it: a path and some attributes."""
EXTENDED_LIMIT = 16
"""Extended headers before one member; writers use two or three."""
_SPARSE_MORE = 482
"""Offset of the byte that says that a map of the old sparse format goes on; in what follows it is at 504."""

Kind = Literal["file", "directory", "link", "symlink", "sparse", "special"]
KINDS: Mapping[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.LNKTYPE: "link",
    tarfile.SYMTYPE: "symlink",
    tarfile.GNUTYPE_SPARSE: "sparse",
}
WITHOUT_BODY = (
    tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
)  # fmt: skip
"""Whatever size their headers give."""
LONG_NAMES = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
SPARSE_SIZES = ("GNU.sparse.size", "GNU.sparse.realsize")
"""One of them is there in every version of the newer sparse format."""
WANTED = ("path", "linkpath", "size", "GNU.sparse.name", *SPARSE_SIZES)
"""What is kept of extended headers."""


class Tape(Protocol):
    """Bytes from beginning to end."""

    position: int

    def read(self, length: int) -> bytes:
        """The next bytes, fewer only at the end."""

    def skip(self, length: int) -> None:
        """Raises Permanent when there are not so many."""


@dataclass(frozen=True)
class Member:
    name: str
    kind: Kind
    offset: int
    """Of its first byte on the tape."""
    size_bytes: int
    link: str = ""
    """Where a link leads, as it is written."""


class NoTar(Permanent):
    """It does not even begin as a tar does."""


def members(tape: Tape) -> Iterator[Member]:
    """All of them. Whoever gets one may read its body before asking for the next. Raises Permanent."""
    while (member := _next(tape)) is not None:
        yield member
        tape.skip(_padded(member.offset + member.size_bytes) - tape.position)


def _next(tape: Tape) -> Member | None:
    said: dict[str, str] = {}
    for _ in range(EXTENDED_LIMIT):
        block = tape.read(BLOCK_BYTES)
        if not block.strip(b"\0"):
            return None
        header = _header(block, tape.position - len(block))
        if header.type in LONG_NAMES:
            said[LONG_NAMES[header.type]] = _text(_body(tape, header).partition(b"\0")[0])
        elif header.type in EXTENDED:
            said |= _records(_body(tape, header))
        elif header.type == tarfile.XGLTYPE:
            tape.skip(_padded(header.size))
        else:
            return _member(tape, header, block, said)
    raise broken("too many extended headers")


def _header(block: bytes, position: int) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        if position == 0:
            raise NoTar("it is not a tar archive") from error
        raise broken(f"{error} at {position}") from error
    if header.size < 0:
        raise broken(f"negative size at {position}")
    return header


def _member(tape: Tape, header: tarfile.TarInfo, block: bytes, said: Mapping[str, str]) -> Member:
    kind = KINDS.get(header.type, "special")
    size = _number(said["size"]) if "size" in said else header.size
    if header.type == tarfile.GNUTYPE_SPARSE:
        more = block[_SPARSE_MORE]
        while more:
            more = (tape.read(BLOCK_BYTES) or bytes(BLOCK_BYTES))[-8]
    elif any(name in said for name in SPARSE_SIZES):
        kind = "sparse"
    return Member(
        name=said.get("GNU.sparse.name") or said.get("path") or header.name,
        kind=kind,
        offset=tape.position,
        size_bytes=0 if header.type in WITHOUT_BODY else size,
        link=said.get("linkpath") or header.linkname,
    )


def _body(tape: Tape, header: tarfile.TarInfo) -> bytes:
    if header.size > EXTENDED_LIMIT_BYTES:
        raise broken(f"an extended header of {header.size} bytes")
    body = tape.read(_padded(header.size))
    if len(body) < header.size:
        raise broken("unexpected EOF")
    return body[: header.size]


def _records(body: bytes) -> dict[str, str]:
    """Of an extended header: `<length> <key>=<value>\\n`, each."""
    found: dict[str, str] = {}
    while body:
        length, blank, _ = body.partition(b" ")
        end = _number(_text(length[:8]))
        key, equals, value = body[len(length) + 1 : end].partition(b"=")
        if not (blank and equals and value.endswith(b"\n")):
            raise broken("an extended header makes no sense")
        if (name := _text(key)) in WANTED:
            found[name] = _text(value[:-1])
        body = body[end:]
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise broken(f"{text[:20]!r} is no number")
    return int(text)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _padded(length: int) -> int:
    return -(-length // BLOCK_BYTES) * BLOCK_BYTES


def broken(why: str) -> Permanent:
    return Permanent(f"archive/tar: invalid tar header: {why}", "The image is damaged: build and push it again.")
