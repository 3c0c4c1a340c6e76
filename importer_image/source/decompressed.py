"""What is compressed, as a source around a source: its bytes are those inside.

Decompression runs in a thread of its own, ahead of what writes: it goes on while the disk is slow, and the disk goes on
while nothing comes but holes (raw.gz takes a tenth less with 32 MiB ahead than with 4). What comes out is bounded by
what the target holds, so a bomb costs no more than a full volume would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, NoReturn

from importer_image.codec.stream import OUTPUT_BYTES, decompressed
from importer_image.memory import keep_freed, limit_bytes

if TYPE_CHECKING:
    from importer_image.source import Range, Source

LEAST_AHEAD, MOST_AHEAD = 4, 32
"""Pieces of the output that wait to be written."""
MEMORY_SHARE = 32
"""They may be this part of our memory."""
JOIN_S = 2.0


class Decompressed:
    size_bytes = None
    ranged = False

    def __init__(self, source: Source, codec: str) -> None:
        self.name = source.name
        self._source = source
        self._stop = Event()
        self._chunks = decompressed(source.stream(), codec)
        self._peeked: list[bytes] = []
        self._waiting: Queue[bytes | BaseException | None] = Queue(pieces_ahead(limit_bytes()))
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


def pieces_ahead(memory_bytes: int) -> int:
    """How many pieces may wait to be written in a process that has so much memory."""
    return min(max(memory_bytes // MEMORY_SHARE // OUTPUT_BYTES, LEAST_AHEAD), MOST_AHEAD)
