"""Compressed images: a source around a source, whose bytes are those inside.

Decompression runs in a thread of its own, a little ahead of what writes. What comes out is bounded by what the target
holds, so a bomb costs no more than a full volume would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, NoReturn, Protocol

from importer_image.errors import Permanent
from importer_image.extent import Buffer
from importer_image.memory import keep_freed

if TYPE_CHECKING:
    from importer_image.source import Range, Source

OUTPUT_BYTES = 1 << 20
AHEAD = 4
"""Pieces of OUTPUT_BYTES that wait to be written."""
JOIN_S = 2.0
XZ_MEMORY_LIMIT_BYTES = 80 << 20
"""Enough for xz -9 (65 MiB)."""
ZSTD_WINDOW_LOG_LIMIT = 27
"""Enough for zstd --long (128 MiB)."""


class Member(Protocol):
    """One gzip member, xz or bzip2 stream or zstd frame, as all these libraries have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Buffer, max_length: int = -1) -> bytes: ...


def _gz() -> Member:
    """ISA-L: 825 MB/s, zlib 270."""
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _zst() -> Member:
    from importer_image.format.zstd import limited_decompressor

    return limited_decompressor(ZSTD_WINDOW_LOG_LIMIT)


def _xz() -> Member:
    from importer_image.format.liblzma import AVAILABLE, ParallelDecompressor

    if AVAILABLE:
        return ParallelDecompressor(XZ_MEMORY_LIMIT_BYTES)
    from lzma import FORMAT_XZ, LZMADecompressor

    return LZMADecompressor(FORMAT_XZ, XZ_MEMORY_LIMIT_BYTES)


def _bz2() -> Member:
    from bz2 import BZ2Decompressor

    return BZ2Decompressor()


CODECS: dict[str, Callable[[], Member]] = {"gz": _gz, "zst": _zst, "xz": _xz, "bz2": _bz2}


def decompressed(chunks: Iterator[memoryview], codec: str) -> Iterator[bytes]:
    """All members one after another, as the tools do it. Raises Permanent for what is broken or cut off."""
    member: Member | None = None
    for chunk in chunks:
        data: Buffer = chunk
        while True:
            if member is None:
                data = bytes(data).lstrip(b"\0")
                if not data:
                    break
                member = CODECS[codec]()
            try:
                output = member.decompress(data, OUTPUT_BYTES)
            except Exception as error:  # IsalError, LZMAError, ZstdError, EOFError: they have no common base
                raise _broken(codec, str(error)) from error
            if output:
                yield output
            data = b""
            if member.eof:
                data, member = member.unused_data, None
            elif member.needs_input:
                break
    if member is not None:
        raise _broken(codec, "unexpected end of data")


def _broken(codec: str, why: str) -> Permanent:
    return Permanent(f"the {codec} data is broken: {why}", "Download or compress the image again.")


class Decompressed:
    size_bytes = None
    ranged = False

    def __init__(self, source: Source, codec: str) -> None:
        self.name = source.name
        self._source = source
        self._stop = Event()
        self._chunks = decompressed(source.stream(), codec)
        self._peeked: list[bytes] = []
        self._waiting: Queue[bytes | BaseException | None] = Queue(AHEAD)
        self._thread: Thread | None = None

    def peek(self, length: int) -> bytes:
        while sum(map(len, self._peeked)) < length and (chunk := next(self._chunks, None)) is not None:
            self._peeked.append(chunk)
        return b"".join(self._peeked)[:length]

    def stream(self) -> Iterator[memoryview]:
        keep_freed()
        self._thread = Thread(target=self._run_ahead, daemon=True)
        self._thread.start()
        while self._peeked:
            yield memoryview(self._peeked.pop(0))
        while (item := self._waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield memoryview(item)

    def read_ranges(self, ranges: Sequence[Range]) -> NoReturn:
        raise AssertionError("compressed data has no ranges")

    def close(self) -> None:
        self._stop.set()
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        self._source.close()
        if self._thread:
            self._thread.join(JOIN_S)

    def _run_ahead(self) -> None:
        try:
            for chunk in self._chunks:
                if self._stop.is_set():
                    return
                self._waiting.put(chunk)
            self._waiting.put(None)
        except BaseException as error:
            self._waiting.put(error)
