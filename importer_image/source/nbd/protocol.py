"""The messages of the NBD protocol as far as a reader needs them. Pure: values to bytes and back.

Two phases. In the handshake the client sends options and gets replies; then it sends requests and gets chunks, which
may come in any order and in several pieces, each with the cookie of its request. Numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from importer_image.errors import Transient

GREETING = struct.Struct(">8s8sH")
NO_ZEROES = 2
FIXED_NEWSTYLE = 1

_OPTION = struct.Struct(">8sII")
OPTION_REPLY = struct.Struct(">QIII")
_OPTION_REPLY_MAGIC = 0x3E889045565A9
GO, STRUCTURED_REPLY, SET_META_CONTEXT = 7, 8, 10
ACK, INFO, META_CONTEXT, REPLY_ERROR = 1, 3, 4, 1 << 31
INFO_EXPORT = 0
ALLOCATION = b"base:allocation"

_REQUEST = struct.Struct(">IHHQQI")
_REQUEST_MAGIC = 0x25609513
READ, DISCONNECT, BLOCK_STATUS = 0, 2, 7

CHUNK = struct.Struct(">IHHQI")
_CHUNK_MAGIC = 0x668E33EF
DONE = 1
"""Flag of the last chunk of a reply."""
NONE, OFFSET_DATA, OFFSET_HOLE, STATUS, CHUNK_ERROR = 0, 1, 2, 5, 1 << 15
OFFSET = struct.Struct(">Q")
_HOLE = struct.Struct(">QI")
READS_ZERO = 2
"""Flag of a run of block status. That there is a hole (1) does not say what it reads as."""

LONGEST_PAYLOAD_BYTES = 32 << 20
"""Of anything but data."""
TEXT_LIMIT = 300


class OptionReply(NamedTuple):
    option: int
    kind: int
    length: int
    """Of the payload that follows."""


class Chunk(NamedTuple):
    """`length` bytes of payload follow."""

    done: bool
    kind: int
    cookie: int
    length: int


class Run(NamedTuple):
    """So many bytes of the disk that are allocated, or that read as zeros."""

    length: int
    zero: bool


class ProtocolError(Transient):
    def __init__(self, what: str) -> None:
        super().__init__(f"the NBD server does not keep to the protocol: {what}")


def hello(data: bytes) -> bytes:
    """The client's flags in answer to the greeting."""
    magic, style, flags = GREETING.unpack(data)
    if magic != b"NBDMAGIC" or style != b"IHAVEOPT" or not flags & FIXED_NEWSTYLE:
        raise ProtocolError(f"it greets with {data!r}")
    return struct.pack(">I", FIXED_NEWSTYLE | flags & NO_ZEROES)


def option(number: int, payload: bytes = b"") -> bytes:
    return _OPTION.pack(b"IHAVEOPT", number, len(payload)) + payload


def allocation_context(export: bytes = b"") -> bytes:
    """The payload that asks for `ALLOCATION` to be told by block status."""
    return b"".join(
        (struct.pack(">I", len(export)), export, struct.pack(">II", 1, len(ALLOCATION)), ALLOCATION),
    )


def export_name(export: bytes = b"") -> bytes:
    """The payload that opens an export and asks for nothing but what is told anyway."""
    return struct.pack(">I", len(export)) + export + struct.pack(">H", 0)


def option_reply(data: bytes) -> OptionReply:
    magic, number, kind, length = OPTION_REPLY.unpack(data)
    if magic != _OPTION_REPLY_MAGIC or length > LONGEST_PAYLOAD_BYTES:
        raise ProtocolError(f"reply {data!r} to an option")
    return OptionReply(number, kind, length)


def size_of_export(payload: bytes) -> int | None:
    """In bytes; None when this is information of another kind."""
    if len(payload) != 12 or payload[:2] != struct.pack(">H", INFO_EXPORT):
        return None
    return int.from_bytes(payload[2:10])


def request(command: int, cookie: int, offset: int, length: int) -> bytes:
    return _REQUEST.pack(_REQUEST_MAGIC, 0, command, cookie, offset, length)


def chunk(data: bytes) -> Chunk:
    magic, flags, kind, cookie, length = CHUNK.unpack(data)
    if magic != _CHUNK_MAGIC or length > LONGEST_PAYLOAD_BYTES + OFFSET.size:
        raise ProtocolError(f"chunk {data!r}")
    return Chunk(bool(flags & DONE), kind, cookie, length)


def hole(payload: bytes) -> tuple[int, int]:
    """Offset and length of a part of what was read that is all zeros."""
    offset, length = _HOLE.unpack(payload)
    return offset, length


def runs(payload: bytes, wanted: int) -> Iterator[Run]:
    """What a block status of `wanted` bytes says: at least one run, in order, and nothing behind what was asked."""
    if len(payload) < 12 or len(payload) % 8 != 4:
        raise ProtocolError(f"block status of {len(payload)} bytes")
    left = wanted
    for length, flags in struct.iter_unpack(">II", payload[4:]):
        if not length:
            raise ProtocolError("block status of nothing")
        if left <= 0:
            return
        yield Run(min(length, left), bool(flags & READS_ZERO))
        left -= length


def error_text(payload: bytes) -> str:
    """What a chunk of an error says: its text, and where there is none, its number."""
    number, length = struct.unpack_from(">IH", payload)
    text = payload[6 : 6 + length].decode("utf-8", "replace")[:TEXT_LIMIT]
    return text or f"error {number}"
