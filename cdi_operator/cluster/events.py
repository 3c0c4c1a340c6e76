"""Events for the user, as `kubectl describe` shows them: core/v1, posted in the background, never in a plan's way.

Repetitions within an hour are counted on the first event instead of making another, and written at most every ten
seconds; one object gets at most a burst of new events, so that a crash loop floods neither etcd nor the reader.
Posting is best effort, as everywhere in Kubernetes: what cannot be posted is logged and dropped.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.flows.actions import Emit, Ref
from cdi_operator.flows.seen import timestamp

log = structlog.get_logger(__name__)

SAME_FOR = timedelta(hours=1)
"""As long as the API server keeps an event (its flag --event-ttl)."""
COUNT_EVERY_S = 10.0
BURST = 25
REFILL_S = 30.0
LONGEST_MESSAGE = 1024
TRIES = 3
LANES = 8
"""Events of one object are posted one after the other; one that is slow to be taken holds up few other objects."""
REMEMBERED = 4096
"""Series and objects that are kept in mind; beyond, the longest unused are forgotten."""


@dataclass
class _Series:
    """One event and its repetitions."""

    said: Emit
    first: datetime
    last: datetime
    count: int = 1
    ref: Ref | None = None
    """The Event object, once it is posted."""
    posted_at_s: float = 0.0
    queued: bool = False


@dataclass
class _Allowance:
    """How many new events an object may still get."""

    left: float = BURST
    at: datetime | None = None

    def take(self, now: datetime) -> bool:
        if self.at is not None:
            # A clock that was set back takes nothing away.
            passed_s = max(0.0, (now - self.at).total_seconds())
            self.left = min(BURST, self.left + passed_s / REFILL_S)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class Recorder:
    """`emit` from anywhere on the event loop; `run` posts until cancelled, `flush` waits for what is due now."""

    client: Client
    now: Callable[[], datetime]
    _series: OrderedDict[Emit, _Series] = field(default_factory=OrderedDict)
    _allowances: OrderedDict[str, _Allowance] = field(default_factory=OrderedDict)
    _lanes: tuple[asyncio.Queue[_Series], ...] = field(
        default_factory=lambda: tuple(asyncio.Queue[_Series]() for _ in range(LANES))
    )

    def emit(self, event: Emit) -> None:
        now = self.now()
        series = self._series.get(event)
        if series is not None and now - series.last < SAME_FOR:
            series.count += 1
            series.last = now
        elif self._allowance(event.ref.uid).take(now):
            series = _Series(event, first=now, last=now)
            _keep(self._series, event, series)
        else:
            log.debug("event dropped, the object has had too many", name=event.ref.name, reason=event.reason)
            return
        if not series.queued:
            series.queued = True
            loop = asyncio.get_running_loop()
            wait_s = series.posted_at_s + COUNT_EVERY_S - loop.time() if series.ref else 0.0
            lane = self._lanes[hash(event.ref.uid) % LANES]
            loop.call_later(max(0.0, wait_s), lane.put_nowait, series)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(self._post_from(lane))

    async def _post_from(self, lane: asyncio.Queue[_Series]) -> None:
        while True:
            series = await lane.get()
            series.queued = False
            try:
                await self._post(series)
            except (ApiError, Unreachable) as error:
                log.warning("event not posted", name=series.said.ref.name, reason=series.said.reason, error=str(error))
            finally:
                lane.task_done()

    async def flush(self, timeout_s: float) -> None:
        """Give what waits to be posted a chance."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(lane.join() for lane in self._lanes))
        except TimeoutError:
            log.warning("stopping with events not posted", events=sum(lane.qsize() for lane in self._lanes))

    async def _post(self, series: _Series) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await (self._count(series) if series.ref else self._create(series))
                return
            except ApiError as error:
                if error.status == 404 and series.ref:
                    series.ref = None
                elif attempt == TRIES or not error.transient:
                    raise
            except Unreachable:
                if attempt == TRIES:
                    raise
            await asyncio.sleep(attempt)

    async def _create(self, series: _Series) -> None:
        said = series.said
        log.info("event", kind=said.ref.kind, name=said.ref.name, namespace=said.ref.namespace, reason=said.reason)
        series.ref = Ref.of(await self.client.create(_render(series)))
        series.posted_at_s = asyncio.get_running_loop().time()

    async def _count(self, series: _Series) -> None:
        assert series.ref is not None
        await self.client.patch(series.ref, {"count": series.count, "lastTimestamp": timestamp(series.last)})
        series.posted_at_s = asyncio.get_running_loop().time()

    def _allowance(self, uid: str) -> _Allowance:
        allowance = self._allowances.get(uid) or _Allowance()
        _keep(self._allowances, uid, allowance)
        return allowance


def _keep(store: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    store[key] = value
    store.move_to_end(key)
    if len(store) > REMEMBERED:
        store.popitem(last=False)


def _render(series: _Series) -> dict[str, Any]:
    said, about = series.said, series.said.ref
    namespace = about.namespace or "default"
    involved = {"apiVersion": about.api_version, "kind": about.kind, "name": about.name, "uid": about.uid}
    if about.namespace:
        involved["namespace"] = about.namespace
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{about.name[:200]}.", "namespace": namespace},
        "involvedObject": involved,
        "type": said.type,
        "reason": said.reason,
        "message": said.message[:LONGEST_MESSAGE],
        "source": {"component": said.component},
        "reportingComponent": said.component,
        "firstTimestamp": timestamp(series.first),
        "lastTimestamp": timestamp(series.last),
        "count": series.count,
    }
