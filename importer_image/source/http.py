"""An image on a web server: read in parallel, delivered in order.

One request opens it: a GET for the first range. Its answer tells everything, so no HEAD is sent (signed URLs forbid
it): status, size, what the file can be recognised by, and whether the server does ranges at all. From then on several
connections fetch consecutive ranges, each of which goes on by itself where it breaks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock, Thread
from typing import TypeVar

from importer_image import job
from importer_image.errors import Transient
from importer_image.log import log
from importer_image.source import About, OnBytes, Range, answer
from importer_image.source.belt import SLICE_BYTES, WINDOW_SLICES, Belt
from importer_image.source.crew import Crew
from importer_image.source.patience import OPENING
from importer_image.source.reader import RangeReader, StreamReader
from importer_image.source.site import Site, Visit

Answered = TypeVar("Answered")

PREFIX_BYTES = 256 << 10
"""Fetched when opening: it holds every header, and the first tables of most images."""
LEAST_RANGE_BYTES, MOST_RANGE_BYTES = SLICE_BYTES, 8 * SLICE_BYTES
NEAR_S = 0.002
"""A server that has answered within this time once is so near that short requests cost nothing."""
JOIN_S = 2.0
"""A thread that waits for a name or a connection cannot be woken; it ends with the process."""


def open_http(source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes) -> HttpSource:
    return open_site(Site(source, environment), connections, on_bytes)


def open_site(site: Site, connections: int, on_bytes: OnBytes, prefix_bytes: int = PREFIX_BYTES) -> HttpSource:
    """`prefix_bytes`: to fetch when opening. Raises ImportFailure: not reachable, not there, not allowed."""
    return HttpSource(site, first_visit(site, prefix_bytes), connections, on_bytes, prefix_bytes)


def first_visit(site: Site, prefix_bytes: int) -> Visit:
    def knock() -> Visit:
        try:
            return site.knock((0, prefix_bytes - 1))
        except answer.WrongRange:
            return site.knock(None)

    return patiently(knock)


def patiently(ask: Callable[[], Answered]) -> Answered:
    """What a server answers, even if it does not do so at once. Raises ImportFailure."""
    failures = 0
    while True:
        try:
            return ask()
        except Transient as failure:
            failures += 1
            pause_s = OPENING.pause_s(failures, answer.retry_after_of(failure))
            if pause_s is None:
                raise
            log("asking again", error=failure.text, attempt=failures, pause_s=round(pause_s, 1))
            time.sleep(pause_s)


@dataclass(frozen=True)
class Group:
    """A range for one request, in slices."""

    first: int
    """Number of its first slice."""
    offset: int
    length: int

    @property
    def slices(self) -> Iterator[tuple[int, int, int]]:
        """Number, offset, length."""
        for index, done in enumerate(range(0, self.length, SLICE_BYTES)):
            yield self.first + index, self.offset + done, min(SLICE_BYTES, self.length - done)

    def cut(self, slices: int) -> tuple[Group, Group | None]:
        """Its first slices, and the rest of it if there is any."""
        length = slices * SLICE_BYTES
        if self.length <= length:
            return self, None
        return (
            Group(self.first, self.offset, length),
            Group(self.first + slices, self.offset + length, self.length - length),
        )


def groups_of(ranges: Sequence[Range], connections: int) -> list[Group]:
    """Requests for these ranges: large enough to hide round trips, small enough to keep all connections busy."""
    share = sum(length for _, length in ranges) // (4 * connections) // SLICE_BYTES * SLICE_BYTES
    most = min(max(share, LEAST_RANGE_BYTES), MOST_RANGE_BYTES)
    groups: list[Group] = []
    number = 0
    for offset, length in ranges:
        for done in range(0, length, most):
            groups.append(Group(number, offset + done, min(most, length - done)))
            number += -(-groups[-1].length // SLICE_BYTES)
    return groups


def most_slices(connections: int, latency_s: float) -> int:
    """How much one request may ask for: all that are at work fit onto the belt together.

    From a server that is near, half of the belt is enough, so that a range that is early need not wait for those before
    it. One that is far is kept busy by long ranges: with 0.1 s to the server short ones took twice as long.
    """
    on_their_way = WINDOW_SLICES // 2 if latency_s < NEAR_S else WINDOW_SLICES
    return max(1, on_their_way // connections)


class HttpSource:
    """Reading ranges and the stream exclude each other, and a read that is abandoned ends the source."""

    def __init__(self, site: Site, visit: Visit, connections: int, on_bytes: OnBytes, prefix_bytes: int) -> None:
        self.name = site.origin.shown
        self.size_bytes = visit.answer.facts.size_bytes
        self.ranged = visit.answer.ranged
        lasting = visit.answer.facts.lasting
        identity = f"{site.origin.fingerprint} {lasting}" if lasting else ""
        self.about = About({}, self.size_bytes, identity, in_any_order=True)
        self._site = site
        self._visit = visit
        self._crew = Crew(max(1, connections))
        self._on_bytes = on_bytes
        self._stop = Event()
        self._lock = Lock()
        self._belt = Belt()
        self._threads: list[Thread] = []
        self._readers: list[RangeReader] = []
        self._idle: list[RangeReader] = []
        self._stream_reader = StreamReader(site, visit, self._stop, on_bytes)
        warn_of_content_type(visit)
        try:
            self._prefix = self._read_prefix(prefix_bytes)
        except BaseException:
            self.close()
            raise

    def peek(self, length: int) -> bytes:
        return self._prefix[:length]

    def stream(self) -> Iterator[memoryview]:
        if self.ranged and self.size_bytes is not None:
            for _, view in self.read_ranges([(0, self.size_bytes)]):
                yield view
            return
        yield memoryview(self._prefix)
        if self._goes_on:
            self._start([self._carry_stream])
            for _, view in self._belt.slices():
                yield view
            self._finish()

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[tuple[int, memoryview]]:
        known = len(self._prefix)
        asked = [(max(o, known), o + n - max(o, known)) for o, n in ranges if o + n > known]
        groups = deque(groups_of(asked, self._crew.size))
        self._crew.begin()
        self._start([partial(self._carry, groups, place) for place in range(min(self._crew.size, len(groups)))])
        slices = self._belt.slices()
        for offset, length in ranges:
            end = offset + length
            if offset < known:
                yield offset, memoryview(self._prefix)[offset:end]
            left = end - max(offset, known)
            while left > 0:
                at, view = next(slices)
                left -= len(view)
                yield at, view
        self._finish()

    def close(self) -> None:
        self._stop.set()
        self._belt.close()
        for reader in self._readers:
            reader.abort()
        self._stream_reader.abort()
        deadline = time.monotonic() + JOIN_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self, work: Sequence[Callable[[], None]]) -> None:
        self._belt = Belt()
        self._threads = []
        for task in work:
            self._add(task)

    def _add(self, task: Callable[[], None]) -> None:
        thread = Thread(target=self._belt.carry, args=(task,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _finish(self) -> None:
        self._belt.close()
        for thread in self._threads:
            thread.join()

    def _carry(self, groups: deque[Group], place: int) -> None:
        """Fetch one group after another until none is left, or the crew no longer needs the one in this place."""
        belt, reader = self._belt, self._borrow()
        if place >= self._crew.least and not reader.reach():
            with self._lock:
                self._crew.left()
            return
        while (group := self._next(groups, place)) is not None:
            reader.begin(group.offset, group.length)
            for number, offset, length in group.slices:
                buffer = belt.reserve(number)
                with memoryview(buffer) as view:
                    reader.fill(view[:length])
                belt.put(number, buffer, offset, length)
            self._count(groups, place, group.length)
        with self._lock:
            self._idle.append(reader)

    def _count(self, groups: deque[Group], place: int, length: int) -> None:
        """What the crew learns from it, and who joins it."""
        with self._lock:
            before = self._crew.size
            self._crew.finished(place, length, self._belt.waited_s, time.monotonic())
            for another in range(before, self._crew.size):
                self._add(partial(self._carry, groups, another))

    def _carry_stream(self) -> None:
        belt, offset, number = self._belt, len(self._prefix), 0
        while True:
            buffer = belt.reserve(number)
            with memoryview(buffer) as view:
                length = self._stream_reader.fill(view)
            if length:
                belt.put(number, buffer, offset, length)
                number, offset = number + 1, offset + length
            if length < len(buffer):
                belt.end(number)
                return

    def _next(self, groups: deque[Group], place: int) -> Group | None:
        with self._lock:
            if not groups or place >= self._crew.size:
                return None
            latency_s = min(reader.latency_s for reader in self._readers)
            group, rest = groups.popleft().cut(most_slices(self._crew.size, latency_s))
            if rest:
                groups.appendleft(rest)
            return group

    def _borrow(self) -> RangeReader:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            reader = RangeReader(self._site, self._visit.answer.facts, self._visit, self._stop, self._on_bytes)
            self._readers.append(reader)
            return reader

    def _read_prefix(self, prefix_bytes: int) -> bytes:
        prefix = bytearray(prefix_bytes)
        if self.ranged:
            reader = self._borrow()
            length = reader.adopt(self._visit)
            reader.fill(memoryview(prefix)[:length])
            self._idle.append(reader)
        else:
            length = self._stream_reader.fill(memoryview(prefix))
        self._goes_on = length == prefix_bytes
        return bytes(prefix[:length])


def warn_of_content_type(visit: Visit) -> None:
    """In the words of the reference, whose users look for them; the content itself is what decides."""
    found = visit.response.headers.get("Content-Type", "")
    if found.startswith("text/"):
        log(f"Unexpected content type '{found}'. Content might not be a KubeVirt image.")
