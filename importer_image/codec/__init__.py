"""Compression: which codec it is by its first bytes, and the fastest library that we have for each.

`stream` takes whole files apart, `inflate` and `zstd` small parts of an image. Nothing here knows sources or formats.
"""

from __future__ import annotations

MAGIC_BYTES = 10
MAGICS = {"gz": (0, b"\x1f\x8b"), "zst": (0, b"\x28\xb5\x2f\xfd"), "xz": (0, b"\xfd7zXZ\x00"), "bz2": (4, b"1AY&SY")}
"""Where in the file they stand, and what stands there (spec 5.2)."""


def codec_of(head: bytes) -> str:
    """Of what begins so, MAGIC_BYTES or more where there are so many; empty for what is not compressed."""
    return next((codec for codec, (offset, magic) in MAGICS.items() if head.startswith(magic, offset)), "")
