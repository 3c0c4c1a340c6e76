"""`status.transfer` of a DataVolume: what the claim says of its transfer, and in one sentence what goes on now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cdi_operator.api import reasons
from cdi_operator.flows.conditions import Condition
from cdi_operator.flows.datavolume.conditions import Trouble
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.transfer import DOING, duration, speed
from cdi_operator.flows.transfer import DONE as ENDED

WAITS_FOR_CONSUMER = "waiting for a pod that uses the claim"
STARTING = "starting the worker"
HANDING_OVER = "handing the volume over"
PHASES = {
    "PendingPopulation": WAITS_FOR_CONSUMER,
    "WaitForFirstConsumer": WAITS_FOR_CONSUMER,
    "ImportScheduled": STARTING,
    "ImportInProgress": DOING["transfer"],
}


def shown_transfer(
    state: State, phase: str, conditions: Sequence[Condition], trouble: Trouble | None
) -> dict[str, Any] | None:
    """None when there is nothing to say."""
    told = state.transfer
    texts = {
        "message": message(state, phase, conditions, trouble),
        "speed": speed(told.speed_bytes_per_second),
        "eta": duration(told.eta_seconds),
    }
    shown = {**told.to_json(), **texts}
    shown.pop("asOf", None)
    return {key: value for key, value in shown.items() if value} or None


def message(state: State, phase: str, conditions: Sequence[Condition], trouble: Trouble | None) -> str:
    """What stands in the way, before what is being done; nothing when all is done."""
    bound, _, running, *_ = conditions
    told = state.transfer
    if trouble is not None:
        return trouble.message
    if phase == "Succeeded":
        return ""
    if told.error:
        return told.message
    if running.status == "False" and running.message and running.reason != reasons.COMPLETED:
        return running.message
    if told.stage == ENDED:
        return HANDING_OVER
    if told.message:
        return told.message
    if phase in PHASES:
        return PHASES[phase]
    return bound.message if bound.status == "False" else ""
