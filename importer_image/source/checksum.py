"""Checksums over the bytes as downloaded: a source around a source that gives the same bytes and verifies them.

Hashing runs beside whatever is done with the bytes. A wrong checksum is fatal (spec 3.7).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from importer_image.errors import Fatal, Permanent
from importer_image.source import about

if TYPE_CHECKING:
    from importer_image.source import Range, Source

HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


@dataclass(frozen=True)
class Checksum:
    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def parse(text: str) -> list[Checksum]:
    """`<algorithm>:<hex digits>`, several separated by blanks. Raises Permanent."""
    return [_parse_one(item) for item in text.split()]


def _parse_one(text: str) -> Checksum:
    algorithm, colon, digest = text.lower().partition(":")
    if not colon or algorithm not in HEX_DIGITS:
        raise Permanent(f"invalid checksum {text!r}: it must be <algorithm>:<hex>, with one of {', '.join(HEX_DIGITS)}")
    if not re.fullmatch(f"[0-9a-f]{{{HEX_DIGITS[algorithm]}}}", digest):
        raise Permanent(f"invalid checksum {text!r}: {algorithm} has {HEX_DIGITS[algorithm]} hex digits")
    return Checksum(algorithm, digest)


def hashed(views: Iterator[memoryview], hashes: Sequence[hashlib._Hash]) -> Iterator[memoryview]:
    """The same views, while the hashes take them in."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(hashes), "hash") as pool:
        for view in views:
            updates = [pool.submit(each.update, view) for each in hashes]
            yield view
            for update in updates:
                update.result()


class Checked:
    ranged = False

    def __init__(self, source: Source, expected: Sequence[Checksum]) -> None:
        self.name = source.name
        self.size_bytes = source.size_bytes
        self.about = about(source)
        self._source = source
        self._expected = expected

    def peek(self, length: int) -> bytes:
        return self._source.peek(length)

    def stream(self) -> Iterator[memoryview]:
        """Raises Fatal at the end when it was not what was expected."""
        hashes = [hashlib.new(checksum.algorithm, usedforsecurity=False) for checksum in self._expected]
        yield from hashed(self._source.stream(), hashes)
        for checksum, each in zip(self._expected, hashes, strict=True):
            found = Checksum(checksum.algorithm, each.hexdigest())
            if found != checksum:
                raise Fatal(
                    f"checksum validation failed: checksum mismatch: expected {checksum}, got {found}",
                    "The file on the server is not the one that the checksum belongs to.",
                )

    def read_ranges(self, ranges: Sequence[Range]) -> NoReturn:
        raise AssertionError("a checksum needs all bytes in order")

    def close(self) -> None:
        self._source.close()
