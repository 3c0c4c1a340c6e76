"""The NBD protocol, bytes to messages and back."""

from __future__ import annotations

import struct

import pytest

from importer_image.errors import Transient
from importer_image.source.nbd import protocol
from importer_image.source.nbd.protocol import Chunk, OptionReply, Run
from importer_image.source.nbd.reader import part, pieces

MIB = 1 << 20


def greeting(flags: int, magic: bytes = b"NBDMAGICIHAVEOPT") -> bytes:
    return magic + struct.pack(">H", flags)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (greeting(3), b"\0\0\0\3"),
        (greeting(1), b"\0\0\0\1"),
        (greeting(0), None),
        (greeting(3, b"NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53"), None),
        (b"SSH-2.0-OpenSSH_10", None),
    ],
)
def test_hello(data, answer):
    if answer is None:
        with pytest.raises(Transient, match="does not keep to the protocol"):
            protocol.hello(data)
    else:
        assert protocol.hello(data) == answer


def test_options_as_they_travel():
    assert protocol.option(protocol.STRUCTURED_REPLY).hex() == "49484156454f50540000000800000000"
    assert protocol.option(protocol.GO, protocol.export_name()).hex() == (
        "49484156454f50540000000700000006000000000000"
    )
    assert protocol.allocation_context() == b"\0\0\0\0\0\0\0\1\0\0\0\x0fbase:allocation"


def test_requests_as_they_travel():
    assert protocol.request(protocol.READ, 5, 1 << 40, MIB).hex() == (
        "25609513000000000000000000000005000001000000000000100000"
    )


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        ("0003e889045565a9000000070000000100000000", OptionReply(protocol.GO, protocol.ACK, 0)),
        ("0003e889045565a9000000078000000600000005", OptionReply(protocol.GO, 1 << 31 | 6, 5)),
        ("0003e889045565aa000000070000000100000000", None),
        ("0003e889045565a90000000700000001ffffffff", None),
    ],
)
def test_option_reply(data, reply):
    if reply is None:
        with pytest.raises(Transient):
            protocol.option_reply(bytes.fromhex(data))
    else:
        assert protocol.option_reply(bytes.fromhex(data)) == reply


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (struct.pack(">HQH", 0, 12345, 7), 12345),
        (struct.pack(">HIII", 3, 512, 4096, 1 << 25), None),
        (struct.pack(">HQ", 0, 12345), None),
        (b"", None),
    ],
)
def test_size_of_export(payload, size):
    assert protocol.size_of_export(payload) == size


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        ("668e33ef00010001000000000000000900000208", Chunk(True, protocol.OFFSET_DATA, 9, 520)),
        ("668e33ef0000000200000000000000090000000c", Chunk(False, protocol.OFFSET_HOLE, 9, 12)),
        ("6744669800010001000000000000000900000208", None),
        ("668e33ef000100010000000000000009ffffffff", None),
    ],
)
def test_chunk(data, chunk):
    if chunk is None:
        with pytest.raises(Transient):
            protocol.chunk(bytes.fromhex(data))
    else:
        assert protocol.chunk(bytes.fromhex(data)) == chunk


@pytest.mark.parametrize(
    ("status", "wanted", "runs"),
    [
        # length, flags: 1 a hole, 2 reads as zeros
        ([(100, 0)], 100, [Run(100, False)]),
        ([(100, 3), (50, 0)], 150, [Run(100, True), Run(50, False)]),
        ([(100, 2)], 100, [Run(100, True)]),
        ([(100, 1)], 100, [Run(100, False)]),
        ([(100, 0)], 300, [Run(100, False)]),
        ([(400, 3)], 300, [Run(300, True)]),
        ([(300, 3), (100, 0)], 300, [Run(300, True)]),
        ([(0, 3)], 300, None),
        ([], 300, None),
    ],
)
def test_runs(status, wanted, runs):
    payload = struct.pack(">I", 1) + b"".join(struct.pack(">II", *each) for each in status)
    if runs is None:
        with pytest.raises(Transient):
            list(protocol.runs(payload, wanted))
    else:
        assert list(protocol.runs(payload, wanted)) == runs


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (struct.pack(">IH", 5, 4) + b"gone", "gone"),
        (struct.pack(">IH", 5, 4) + b"gone" + bytes(8), "gone"),
        (struct.pack(">IH", 5, 0), "error 5"),
        (struct.pack(">IH", 5, 2) + b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_error_text(payload, text):
    assert protocol.error_text(payload) == text


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ([], []),
        ([(7, 9)], [(7, 9)]),
        ([(0, MIB)], [(0, MIB)]),
        ([(5, 2 * MIB + 1), (9 * MIB, 3)], [(5, MIB), (5 + MIB, MIB), (5 + 2 * MIB, 1), (9 * MIB, 3)]),
    ],
)
def test_pieces(ranges, found):
    assert list(pieces(ranges)) == found


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, 11), (8, 3), (11, 0)])
def test_nothing_is_written_where_it_was_not_asked_for(start, length):
    with pytest.raises(Transient):
        part(memoryview(bytearray(10)), start, length)
