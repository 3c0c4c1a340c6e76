"""Which bytes of a source go where on the disk, for formats that have a map.

A map is a set of runs. Bytes of the source are fed in; pieces of runs come out. Pure: no source, no target. Runs may be
added while bytes pass, because a table that has just passed says where other bytes belong. Usually these come later;
the latest bytes that nobody had asked for are parked in case they came before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from importer_image.errors import Permanent
from importer_image.extent import Buffer

PARKING_BYTES = 32 << 20
"""Together with the windows of source and target this fits into 128 MiB."""
HELD_BYTES = 48 << 20
"""Parts of runs that are handed out whole. The most that is sane are an L1 table of 32 MiB, an L2 table, a cluster."""
RUNS = 256 << 10
"""Runs that may wait, 60 MiB. Only images that are made to do harm, or much fragmented streams, have more."""
MERGE_GAP_BYTES = 64 << 10
"""Two runs this close are fetched by one request: the gap costs less than a round trip."""


class Run(NamedTuple):
    """`length` bytes of the source at `offset`."""

    offset: int
    length: int
    kind: str
    place: int
    """Where it belongs: a guest offset for data, what the decoder likes for the rest."""
    whole: bool = False
    """Handed out in one piece, once all of it is there; otherwise in pieces as they come."""


class Piece(NamedTuple):
    kind: str
    place: int
    """For a part of a run: that of its first byte."""
    data: Buffer


class Placement:
    """`parking_bytes` 0: no bytes pass that were not asked for."""

    def __init__(self, parking_bytes: int = 0) -> None:
        self._waiting: list[tuple[int, int, Run, tuple[bytes, ...]]] = []
        """A heap by source offset; the number keeps equal offsets in the order in which they were added."""
        self._number = 0
        self._ready: deque[Piece] = deque()
        self._held_bytes = 0
        self._parked = Parking(parking_bytes) if parking_bytes else None
        self._passed = 0

    def add(self, run: Run) -> None:
        """Raises Permanent when bytes of the run have passed and were not kept."""
        parts: tuple[bytes, ...] = ()
        while self._parked and run.length and run.offset < self._passed:
            data = self._parked.read(run.offset, min(run.length, self._passed - run.offset))
            run, parts = self._take(run, parts, data)
        if run.length:
            self._push(run, parts)

    def wanted(self) -> list[tuple[int, int]]:
        """What to ask the source for: ranges `(offset, length)`, ascending, close ones merged."""
        ranges: list[tuple[int, int]] = []
        start = end = -1
        for offset, _, run, _ in sorted(self._waiting):
            if start >= 0 and offset > end + MERGE_GAP_BYTES:
                ranges.append((start, end - start))
                start = -1
            if start < 0:
                start = offset
            end = max(end, offset + run.length)
        return [*ranges, (start, end - start)] if start >= 0 else ranges

    def feed(self, offset: int, view: memoryview) -> Iterator[Piece]:
        """The pieces that these bytes of the source complete. They are valid as long as the view is."""
        self._passed = offset
        end = offset + len(view)
        while self._waiting and self._waiting[0][0] < end:
            start, _, run, parts = heappop(self._waiting)
            self._pass(offset, view, start)
            stop = min(start + run.length, end)
            rest, parts = self._take(run, parts, view[start - offset : stop - offset])
            self._passed = max(self._passed, stop)
            if rest.length:
                self._push(rest, parts)
            yield from self.ready()
        self._pass(offset, view, end)

    def ready(self) -> Iterator[Piece]:
        """Pieces that need no more bytes."""
        while self._ready:
            yield self._ready.popleft()

    def missing(self) -> Iterator[tuple[Run, bytes]]:
        """At the end of the source: what is left of every run, and the part of a whole run that did come."""
        while self._waiting:
            _, _, run, parts = heappop(self._waiting)
            yield run, b"".join(parts)

    def _take(self, run: Run, parts: tuple[bytes, ...], data: Buffer) -> tuple[Run, tuple[bytes, ...]]:
        """Use bytes for the beginning of a run; what is left of it, and the parts that it has by now."""
        taken = len(data)
        offset, length, kind, place, whole = run
        # Not by _replace, which takes three times as long: this is done for every compressed cluster.
        rest = Run(offset + taken, length - taken, kind, place if whole else place + taken, whole)
        if not whole:
            self._ready.append(Piece(kind, place, data))
            return rest, ()
        if rest.length:
            self._hold(taken)
            return rest, (*parts, bytes(data))
        if parts:
            self._held_bytes -= sum(map(len, parts))
            data = b"".join((*parts, data))
        self._ready.append(Piece(kind, place, data))
        if self._parked:
            self._parked.keep_tail(kind, rest.offset, data)
        return rest, ()

    def _pass(self, offset: int, view: memoryview, until: int) -> None:
        """Nobody has asked for the bytes up to there."""
        if until > self._passed:
            if self._parked:
                self._parked.keep(self._passed, view[self._passed - offset : until - offset])
            self._passed = until

    def _hold(self, length: int) -> None:
        self._held_bytes += length
        if self._held_bytes > HELD_BYTES:
            raise Permanent(
                "the image is corrupt: too many of its clusters overlap", "Write it anew: qemu-img convert."
            )

    def _push(self, run: Run, parts: tuple[bytes, ...]) -> None:
        self._number += 1
        if len(self._waiting) >= RUNS:
            raise Permanent(
                "the image is too fragmented to be read in one pass",
                "Serve it from a web server that supports byte ranges, or write it anew with qemu-img convert.",
            )
        heappush(self._waiting, (run.offset, self._number, run, parts))


TAIL_BYTES = 512


class Parking:
    """The latest bytes of a stream that passed before anybody knew what they are.

    Whole runs are measured in sectors, so the last sector of one may hold the beginning of the next, of which nobody
    knows yet: the tail of the latest whole run of each kind is kept as well.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept_bytes = 0
        self._offsets: list[int] = []
        self._parts: list[bytes] = []
        self._tails: dict[str, tuple[int, bytes]] = {}

    def keep(self, offset: int, view: memoryview) -> None:
        self._offsets.append(offset)
        self._parts.append(bytes(view))
        self._kept_bytes += len(view)
        while self._kept_bytes > self._limit_bytes:
            del self._offsets[0]
            self._kept_bytes -= len(self._parts.pop(0))

    def keep_tail(self, kind: str, end: int, data: Buffer) -> None:
        tail = bytes(data[-TAIL_BYTES:])
        self._tails[kind] = (end - len(tail), tail)

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes, at least one. Raises Permanent when they were not kept."""
        index = bisect_right(self._offsets, offset) - 1
        candidates = [*self._tails.values()]
        if index >= 0:
            candidates.append((self._offsets[index], self._parts[index]))
        for start, part in candidates:
            if start <= offset < start + len(part):
                return part[offset - start : offset - start + length]
        raise Permanent(
            f"the image says only after byte {offset} has passed where it belongs, and this source can be read only "
            "once, from beginning to end",
            "Serve the image from a web server that supports byte ranges, or write it anew with qemu-img convert, "
            "which puts the tables of an image before its data.",
        )
