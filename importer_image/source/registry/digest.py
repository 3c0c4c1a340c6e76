"""Digests, by which everything in a container image is named, and whether bytes are what their digest says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from importer_image.errors import Permanent

if TYPE_CHECKING:
    from importer_image.source import Range, Source

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


def verify(content: bytes, digest: str, what: str) -> None:
    """Raises Permanent."""
    algorithm = digest.partition(":")[0]
    _compare(digest, hashlib.new(algorithm, content).hexdigest(), what)


class Verified:
    """A layer whose bytes are compared with its digest when the stream has come to its end. Ranges pass as they are."""

    def __init__(self, source: Source, digest: str) -> None:
        self.name = source.name
        self.size_bytes = source.size_bytes
        self.ranged = source.ranged
        self._source = source
        self._digest = digest

    def peek(self, length: int) -> bytes:
        return self._source.peek(length)

    def stream(self) -> Iterator[memoryview]:
        """Raises Permanent at the end when it was not what its name says."""
        from importer_image.source.checksum import hashed

        state = hashlib.new(self._digest.partition(":")[0])
        yield from hashed(self._source.stream(), [state])
        _compare(self._digest, state.hexdigest(), f"the layer {self._digest}")

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[tuple[int, memoryview]]:
        return self._source.read_ranges(ranges)

    def close(self) -> None:
        self._source.close()


def _compare(digest: str, found: str, what: str) -> None:
    algorithm = digest.partition(":")[0]
    if digest != f"{algorithm}:{found}":
        raise Permanent(
            f"{what} is not what its digest says: got {algorithm}:{found}",
            "The image is damaged where it is stored: push it again.",
        )
