"""Where the bytes of an image come from, behind one small protocol.

A source says what it is called, how large it is if it knows, and whether it can be asked for ranges. Buffers are
reused: every view that a source gives out is valid until the next one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

Range = tuple[int, int]
"""Offset and length in bytes."""

OnBytes = Callable[[int], None]
"""Told how many bytes have come in, from whatever thread."""


class Source(Protocol):
    """Raises `errors.Transient` and `errors.Permanent` in the user's words from every method."""

    name: str
    """What messages call it: the URL, without credentials."""
    identity: str
    """Another source with the same one surely has the same bytes, also days later. Holds no secrets; empty where there
    is nothing to recognise it by."""

    @property
    def size_bytes(self) -> int | None:
        """None: the server does not say."""

    @property
    def ranged(self) -> bool:
        """Whether `read_ranges` may be called; the size is known then."""

    def peek(self, length: int) -> bytes:
        """The first bytes, fewer where there are not so many; they still come with the stream."""

    def stream(self) -> Iterator[memoryview]:
        """All bytes, once, from beginning to end."""

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[tuple[int, memoryview]]:
        """The bytes of these ranges, in this order, in pieces `(offset, bytes)`."""

    def close(self) -> None:
        """End all connections and threads."""
