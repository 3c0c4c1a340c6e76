"""One look at one key: observe, plan, apply. And the one place where what went wrong is logged and answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import Counter, Histogram

from cdi_operator.cluster.apply import Applier
from cdi_operator.cluster.errors import ApiError, Stale, Unreachable
from cdi_operator.flows.seen import Key
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.view import View
from cdi_operator.wiring.flows import Flow
from cdi_operator.wiring.queue import Retry

log = structlog.get_logger(__name__)

TOOK = Histogram(
    "cdi_reconcile_seconds",
    "One look at a key, with its writes",
    ["flow"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
ENDED = Counter("cdi_reconciles", "Looks at a key by how they ended", ["flow", "outcome"])

LONGEST_S = 300.0


@dataclass(frozen=True)
class Reconciler:
    view: View
    applier: Applier
    settings: Settings
    now: Callable[[], datetime]

    async def look(self, flow: Flow, key: Key) -> float | None:
        """After how many seconds to look again even if nothing changes; None for never. Raises Retry."""
        with TOOK.labels(flow.name).time():
            try:
                state = flow.observe(self.view, key)
                plan = () if state is None else flow.plan(state, self.settings, self.now())
                again_s = await self.applier.carry_out(plan)
            except Exception as error:
                outcome, retry = answer(error)
                ENDED.labels(flow.name, outcome).inc()
                _report(outcome, error, flow, key)
                raise retry from error
        ENDED.labels(flow.name, "done").inc()
        return again_s


def answer(error: Exception) -> tuple[str, Retry]:
    """What an error is called, and when to look again."""
    match error:
        case Stale():
            return "stale", Retry(first_s=0.01, longest_s=5)
        case Unreachable():
            return "unreachable", Retry(first_s=0.2, longest_s=5)
        case ApiError(transient=True):
            return "unwell", Retry(first_s=0.5, longest_s=60, at_least_s=error.retry_after_s)
        case ApiError():
            return "refused", Retry(first_s=1, longest_s=LONGEST_S)
        case _:
            return "broken", Retry(first_s=1, longest_s=LONGEST_S)


def _report(outcome: str, error: Exception, flow: Flow, key: Key) -> None:
    about = {"flow": flow.name, "namespace": key[0], "name": key[1]}
    match outcome:
        case "stale":
            log.debug("overtaken, looking again", **about, error=str(error))
        case "unreachable":
            # The informers have said so already, once for all keys.
            log.debug("API server not reachable, trying again", **about, error=str(error))
        case "broken":
            log.exception("cannot decide", **about, exc_info=error)
        case _:
            log.error("API server refuses", **about, error=str(error))
