"""Tar archives put together header by header, for those that tar itself would never write."""

from __future__ import annotations

import struct

BLOCK = 512
END = bytes(2 * BLOCK)


def member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = b"0",
    link: str = "",
    mode: int = 0o644,
    size: int | None = None,
    size_field: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A header and its content. `size` and `size_field`: claimed instead of the true one; `tail`: its last bytes."""
    length = len(content) if size is None else size
    fields = (
        name.encode().ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"0000000\0" * 2,
        size_field or b"%011o\0" % length,
        b"%011o\0" % 1_700_000_000,
        b" " * 8,
        kind,
        link.encode().ljust(100, b"\0"),
        b"ustar\x0000",
    )
    block = b"".join(fields).ljust(BLOCK - len(tail), b"\0") + tail
    block = block[:148] + b"%06o\0 " % sum(block) + block[156:]
    return block + content + bytes(-len(content) % BLOCK)


def pax(records: dict[str, bytes], *, kind: bytes = b"x", size: int | None = None) -> bytes:
    """An extended header; those of kind g are for all members that follow."""
    return member("pax", b"".join(record(key, value) for key, value in records.items()), kind=kind, size=size)


def record(key: str, value: bytes) -> bytes:
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    length = len(body) + len(str(length))
    return str(length).encode() + body


def gnu_sparse(name: str, pieces: list[tuple[int, int]], size: int, content: bytes, *, extended: bool = False) -> bytes:
    """At most four pieces, as (offset, length), and whether a block with more follows."""
    table = b"".join(b"%011o\0%011o\0" % piece for piece in pieces).ljust(4 * 24, b"\0")
    tail = table + bytes([extended]) + b"%011o\0" % size
    return member(name, content, kind=b"S", tail=tail.ljust(BLOCK - 386, b"\0"))


def base_256(number: int) -> bytes:
    """GNU's way to write sizes that octal digits do not hold, also negative ones."""
    return struct.pack(">i", -1 if number < 0 else -(1 << 31)) + number.to_bytes(8, "big", signed=number < 0)
