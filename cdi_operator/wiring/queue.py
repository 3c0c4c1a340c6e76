"""The queue of keys to look at, one for each flow, so that a busy flow cannot keep another waiting.

What it promises:
- A key that is added while it waits is looked at once; one that is added while it is looked at, once more afterwards.
- A key is never looked at by two workers at once. Keys are served in the order in which they came.
- A failed key comes back after a while that doubles with every failure in a row and is forgotten with a success.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from prometheus_client import Gauge, Histogram

from cdi_operator.flows.seen import Key

DEPTH = Gauge("cdi_queue_depth", "Keys that wait to be looked at", ["flow"])
WAITED = Histogram(
    "cdi_queue_wait_seconds",
    "From the first reason to look at a key until somebody looks",
    ["flow"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)


class Retry(Exception):
    """Raised by the work on a key: look again after `first_s`, doubled for each failure in a row up to `longest_s`;
    never sooner than `at_least_s`.
    """

    def __init__(self, first_s: float, longest_s: float, at_least_s: float = 0.0) -> None:
        super().__init__(first_s)
        self.first_s = first_s
        self.longest_s = longest_s
        self.at_least_s = at_least_s

    def delay_s(self, failures: int) -> float:
        doubled_s = self.first_s * 2.0 ** min(failures, 32)
        return max(self.at_least_s, min(self.longest_s, doubled_s))


Work = Callable[[Key], Awaitable[float | None]]
"""Looks at a key. Returns after how many seconds to look again in any case, None for never."""


class WorkQueue:
    def __init__(self, name: str, workers: int) -> None:
        self._workers = workers
        self._waiting: dict[Key, float] = {}
        """In the order of coming; the value is when that was, on the monotonic clock."""
        self._active: set[Key] = set()
        self._again: dict[Key, float] = {}
        """Added while active."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._more = asyncio.Event()
        self._stopping = False
        self._depth = DEPTH.labels(name)
        self._waited = WAITED.labels(name)

    def add(self, key: Key) -> None:
        if key in self._active:
            self._again.setdefault(key, time.monotonic())
        elif key not in self._waiting:
            self._waiting[key] = time.monotonic()
            self._depth.set(len(self._waiting))
            self._more.set()

    def add_after(self, key: Key, delay_s: float) -> None:
        """The earlier of two delays counts."""
        loop = asyncio.get_running_loop()
        pending = self._timers.get(key)
        if pending is not None and pending.when() <= loop.time() + delay_s:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(delay_s, self._due, key)

    async def run(self, work: Work) -> None:
        """Until `stop`; whatever `work` raises besides Retry ends it."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._serve(work))

    def stop(self) -> None:
        """Nothing new is begun; `run` returns when what was begun is done."""
        self._stopping = True
        for key in list(self._timers):
            self._cancel_timer(key)
        self._more.set()

    async def _serve(self, work: Work) -> None:
        while True:
            while not self._waiting and not self._stopping:
                self._more.clear()
                await self._more.wait()
            if self._stopping:
                return
            key = next(iter(self._waiting))
            self._waited.observe(time.monotonic() - self._waiting.pop(key))
            self._depth.set(len(self._waiting))
            self._cancel_timer(key)
            self._active.add(key)
            try:
                again_s = await work(key)
                self._failures.pop(key, None)
            except Retry as failure:
                failures = self._failures.get(key, 0)
                self._failures[key] = failures + 1
                again_s = failure.delay_s(failures)
            finally:
                self._active.discard(key)
            if key in self._again:
                since = self._again.pop(key)
                self._waiting[key] = since
                self._depth.set(len(self._waiting))
                self._more.set()
            if again_s is not None and not self._stopping:
                self.add_after(key, again_s)

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
