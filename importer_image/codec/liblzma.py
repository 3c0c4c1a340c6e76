"""xz on all cores: the decoder of liblzma that works on several blocks at once, which Python's lzma does not offer.

What `xz -T0` and newer versions of xz write has a block every 24 MiB, and says in front of each how long it is. Such
blocks are decoded side by side; a file that is one block, or whose blocks need too much memory, by one thread as ever.
The interface is that of liblzma 5.4 (2022), which is called directly, without the GIL.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p

from importer_image.extent import Buffer
from importer_image.memory import limit_bytes

MEMORY_SHARE = 4
"""Blocks side by side may use this part of our memory: 2 cores and blocks of 24 MiB need 80 MiB."""
OK, STREAM_END, MEMLIMIT_ERROR, BUF_ERROR = 0, 1, 6, 10
RUN = 0
WORDS = {
    5: "out of memory",
    MEMLIMIT_ERROR: "it needs too much memory",
    7: "it is not in the xz format",
    8: "it uses what is not known",
    9: "corrupt input data",
    BUF_ERROR: "it makes no progress",
}


class _Stream(Structure):
    _fields_ = (
        ("next_in", c_void_p), ("avail_in", c_size_t), ("total_in", c_uint64),
        ("next_out", c_void_p), ("avail_out", c_size_t), ("total_out", c_uint64),
        ("allocator", c_void_p), ("internal", c_void_p), ("reserved_pointers", c_void_p * 4),
        ("reserved_numbers", c_uint64 * 2), ("reserved_sizes", c_size_t * 2), ("reserved_enums", c_int * 2),
    )  # fmt: skip


class _Threading(Structure):
    _fields_ = (
        ("flags", c_uint32), ("threads", c_uint32), ("block_size", c_uint64), ("timeout", c_uint32),
        ("preset", c_uint32), ("filters", c_void_p), ("check", c_int), ("reserved_enums", c_int * 3),
        ("reserved_numbers", c_uint32 * 4), ("memlimit_threading", c_uint64), ("memlimit_stop", c_uint64),
        ("reserved_longs", c_uint64 * 2), ("reserved_pointers", c_void_p * 4),
    )  # fmt: skip


def _library() -> ctypes.CDLL | None:
    """None where liblzma is missing or older."""
    try:
        library = ctypes.CDLL("liblzma.so.5")
        library.lzma_stream_decoder_mt.argtypes = (POINTER(_Stream), POINTER(_Threading))
        library.lzma_code.argtypes = (POINTER(_Stream), c_int)
        library.lzma_end.argtypes = (POINTER(_Stream),)
        library.lzma_end.restype = None
    except (OSError, AttributeError):
        return None
    return library


_liblzma = _library()
AVAILABLE = _liblzma is not None


class LzmaError(Exception):
    """The data is broken, or asks for too much."""


class ParallelDecompressor:
    """One xz stream, as `codec.stream.Member` has it."""

    def __init__(self, memory_limit_bytes: int, threads: int = 0) -> None:
        """`memory_limit_bytes`: of one thread alone. Raises LzmaError."""
        assert _liblzma
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._library = _liblzma
        self._stream = _Stream()
        self._pending = b""
        self._output: ctypes.Array[c_char] | None = None
        options = _Threading(
            threads=threads or os.cpu_count() or 1,
            memlimit_threading=limit_bytes() // MEMORY_SHARE,
            memlimit_stop=memory_limit_bytes,
        )
        self._check(self._library.lzma_stream_decoder_mt(byref(self._stream), byref(options)))

    def decompress(self, data: Buffer, max_length: int = -1) -> bytes:
        """At most `max_length` bytes, at least one if there are any. Raises LzmaError."""
        stream = self._stream
        self._pending += bytes(data)
        given = len(self._pending)
        source = c_char_p(self._pending)
        if self._output is None or len(self._output) != max_length:
            self._output = ctypes.create_string_buffer(max_length)
        stream.next_in, stream.avail_in = ctypes.cast(source, c_void_p), given
        stream.next_out, stream.avail_out = ctypes.addressof(self._output), max_length
        code = self._library.lzma_code(byref(stream), RUN)
        self._pending = self._pending[given - stream.avail_in :]
        if code == STREAM_END:
            self.eof, self.unused_data, self._pending = True, self._pending, b""
            self._end()
        elif code != BUF_ERROR or self._pending:
            self._check(code)
        self.needs_input = not self.eof and stream.avail_out > 0 and not self._pending
        return ctypes.string_at(self._output, max_length - stream.avail_out)

    def _check(self, code: int) -> None:
        if code != OK:
            self._end()
            raise LzmaError(WORDS.get(code, f"error {code} of liblzma"))

    def _end(self) -> None:
        self._library.lzma_end(byref(self._stream))

    def __del__(self) -> None:
        self._end()
