"""Whole compressed files, as they come: all that gzip, zstd, xz and bzip2 write, a piece of the output at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from importer_image.errors import Permanent
from importer_image.extent import Buffer

OUTPUT_BYTES = 1 << 20
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
    from importer_image.codec.zstd import limited_decompressor

    return limited_decompressor(ZSTD_WINDOW_LOG_LIMIT)


def _xz() -> Member:
    from importer_image.codec.liblzma import AVAILABLE, ParallelDecompressor

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
