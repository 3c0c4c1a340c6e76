"""Where an image comes from, behind two small protocols: most sources give the bytes of a file, some a whole disk.

A source of bytes says what it is called, how large it is if it knows, and whether it can be asked for ranges; what the
bytes are is found out from them. A disk is served by a storage system, which knows itself what is allocated. Buffers
are reused: every view that a source gives out is valid until the next one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from importer_image.extent import Extents

Range = tuple[int, int]
"""Offset and length in bytes."""

OnBytes = Callable[[int], None]
"""Told how many bytes have come in, from whatever thread."""


class Source(Protocol):
    """Raises `errors.Transient` and `errors.Permanent` in the user's words from every method."""

    name: str
    """What messages call it: the URL, without credentials."""

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


@runtime_checkable
class Disk(Protocol):
    """A source that is an image already: nothing of it is probed, because the content of a disk is its guest's own.

    Raises `errors.Transient` and `errors.Permanent` in the user's words from every method.
    """

    name: str
    """Of the format: raw."""

    @property
    def size_bytes(self) -> int | None:
        """How many bytes will travel; None when that is not known."""

    @property
    def virtual_bytes(self) -> int:
        """Size of the disk."""

    def extents(self) -> Extents:
        """The disk, each part of it once; of a delta only what has changed."""

    def close(self) -> None:
        """End all connections and threads."""


@dataclass(frozen=True)
class About:
    """What only some sources have to say, in an attribute `about`."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """For the claim: what the image says about the virtual machine it is for."""
    total_bytes: int | None = None
    """What will come in, where that is not the size: a layer is compressed, the disk in it is not."""
    identity: str = ""
    """Another source with the same one surely has the same bytes, also days later. Holds no secrets; empty where there
    is nothing to recognise it by."""
    in_any_order: bool = False
    """Its ranges may be read in any order: there is nothing that only its whole stream is compared with."""
    vddk_info: Mapping[str, str] = field(default_factory=dict)
    """Of the VMware library, for the report. It is complete when everything has been read, not before."""


def about(source: Source | Disk) -> About:
    found = getattr(source, "about", None)
    return found if isinstance(found, About) else About(total_bytes=source.size_bytes)
