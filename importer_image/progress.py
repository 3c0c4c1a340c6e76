"""How far an import is, how fast, and when it will be done.

`Progress` is plain counters that the pipeline moves; whoever wants to show them (terminal, log, metrics endpoint) takes
a `Snapshot`. The clock is handed in.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

Item = TypeVar("Item")

SPEED_WINDOW_S = 5.0
SAMPLE_EVERY_S = 0.25


@dataclass(frozen=True)
class Snapshot:
    stage: str
    source_bytes: int
    total_bytes: int | None
    written_bytes: int
    elapsed_s: float
    speed: float
    """Bytes per second over the last seconds."""
    average: float
    """Bytes per second since the first byte."""
    resumed_bytes: int = 0
    """What earlier attempts had fetched, not in source_bytes."""
    format: str = ""
    """Of the image; empty until it is found out."""
    virtual_bytes: int | None = None
    """Size of the disk in the image; None while, and where, that is not known."""

    @property
    def percent(self) -> float | None:
        """0 to 100; None when the source does not say how large it is. 100 only when all is done."""
        if self.stage == DONE:
            return 100.0
        if self.total_bytes is None:
            return None
        return min(100.0 * self._had_bytes / self.total_bytes, 99.99) if self.total_bytes else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the last byte has come, at the present speed."""
        if self.stage == DONE:
            return 0.0
        if self.total_bytes is None or self.speed <= 0:
            return None
        return max(self.total_bytes - self._had_bytes, 0) / self.speed

    @property
    def _had_bytes(self) -> int:
        return self.resumed_bytes + self.source_bytes


DONE = "done"


class Progress:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total_bytes: int | None = None
        self.resumed_bytes = 0
        self.written_bytes = 0
        self.format = ""
        self.virtual_bytes: int | None = None
        self.stage_seconds: dict[str, float] = {}
        self._clock = clock
        self._started = clock()
        self._stage = "start"
        self._source_bytes = 0
        self._samples: deque[tuple[float, int]] = deque([(self._started, 0)])
        self._lock = Lock()

    @property
    def source_bytes(self) -> int:
        return self._source_bytes

    def came_in(self, count: int) -> None:
        """So many more bytes of the source."""
        now = self._clock()
        with self._lock:
            self._source_bytes += count
            if now - self._samples[-1][0] >= SAMPLE_EVERY_S:
                self._samples.append((now, self._source_bytes))
                self._forget(now)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Everything inside counts as this stage."""
        before, self._stage = self._stage, name
        start = self._clock()
        try:
            yield
        finally:
            self.spent(name, self._clock() - start)
            self._stage = before

    def watched(self, items: Iterator[Item], waiting: str, working: str) -> Iterator[Item]:
        """The same items. Until one comes the time counts as one stage, until the next is wanted as another."""
        before = self._clock()
        for item in items:
            now = self._clock()
            self.spent(waiting, now - before)
            yield item
            before = self._clock()
            self.spent(working, before - now)

    def spent(self, stage: str, seconds: float) -> None:
        self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds

    def rounded_stages(self) -> dict[str, float]:
        return {name: round(seconds, 3) for name, seconds in self.stage_seconds.items()}

    def done(self) -> None:
        self._stage = DONE

    def snapshot(self) -> Snapshot:
        now = self._clock()
        with self._lock:
            self._forget(now)
            then, before = self._samples[0]
            elapsed = now - self._started
            recent = (self._source_bytes - before) / (now - then) if now > then else 0.0
        average = self._source_bytes / elapsed if elapsed > 0 else 0.0
        return Snapshot(
            self._stage,
            self._source_bytes,
            self.total_bytes,
            self.written_bytes,
            elapsed,
            recent,
            average,
            self.resumed_bytes,
            self.format,
            self.virtual_bytes,
        )

    def _forget(self, now: float) -> None:
        while len(self._samples) > 1 and now - self._samples[1][0] >= SPEED_WINDOW_S:
            self._samples.popleft()
