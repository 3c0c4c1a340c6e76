"""Small deflated parts of an image, each all at once.

libdeflate: 580 MB/s and core on clusters of 64 KiB with programs and documents, ISA-L 430, zlib 250. It wants a part
that is whole, ends, and is no larger than it should be; where it is not satisfied, the format's own decoder says what
is wrong, or that nothing is.
"""

from __future__ import annotations

from collections.abc import Callable

from deflate import DeflateError, deflate_decompress, zlib_decompress

from importer_image.extent import Buffer

Inflate = Callable[[bytes], Buffer]


def bare(part_bytes: int, otherwise: Inflate) -> Inflate:
    """For deflate data without anything around it. What follows it is no matter."""
    return _inflate(deflate_decompress, part_bytes, otherwise)


def in_zlib(part_bytes: int, otherwise: Inflate) -> Inflate:
    """For the same in the zlib format, whose checksum is verified."""
    return _inflate(zlib_decompress, part_bytes, otherwise)


def _inflate(decompress: Callable[[bytes, int], bytearray], part_bytes: int, otherwise: Inflate) -> Inflate:
    def inflate(data: bytes) -> Buffer:
        try:
            return decompress(data, part_bytes)
        except DeflateError:
            return otherwise(data)

    return inflate
