"""The value that travels from every decoder to every target: a piece of the disk that is data or zeros."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

Buffer = memoryview | bytes | bytearray


class Extent(NamedTuple):
    """`length` bytes of the disk at `offset`. The extents of an image cover the disk exactly once, in any order.

    Those of a delta cover what has changed; the rest of the disk stays as it is. One of no length tells the target that
    the disk reaches that far.
    `data` may be a view of a buffer that is filled again as soon as the next extent is asked for.
    """

    offset: int
    length: int
    data: Buffer | None
    """None: they read as zeros."""


Extents = Generator[Extent, None, None]
"""To be closed by whoever stops before the end."""
