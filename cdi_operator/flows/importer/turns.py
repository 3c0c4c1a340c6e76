"""A claim whose worker could be made waits for its turn, and says so (`flows.queue` decides whose turn it is)."""

from __future__ import annotations

import math
from datetime import datetime

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.actions import PatchMeta, Plan, Wait
from cdi_operator.flows.difference import changes
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.queue import SOONEST_S, has_place, is_later_stage, is_turn, patience_s, queued, standing
from cdi_operator.flows.seen import Claim, moment, timestamp
from cdi_operator.flows.transfer import noted, unqueued


def wait(state: State, now: datetime) -> Plan | None:
    """What to do while it waits; None when it is its turn."""
    claim = state.claim
    if is_later_stage(claim):
        return None
    if state.refusal is not None:
        # It does not stand in the queue, because nobody knows when it can start; but it needs a place like everybody.
        return None if has_place(state.traffic, claim, now) else (*leave(claim), Wait(SOONEST_S))
    if is_turn(state.traffic, claim, now):
        return None
    before = noted(claim)
    left_s = patience_s(before.queue_position - 1) - age_s(before.as_of, now) if before.queue_position else 0.0
    if left_s > 0:
        return (Wait(left_s),)
    at = standing(state.traffic, claim, now)
    wanted = {
        names.TRANSFER: queued(before, at, timestamp(now)).text(),
        names.RUNNING: "false",
        names.RUNNING_REASON: reasons.QUEUED,
        names.RUNNING_MESSAGE: at.text,
    }
    if at.before + 1 == before.queue_position and claim.annotations.get(names.RUNNING_MESSAGE) == at.text:
        return (Wait(patience_s(at.before)),)
    return (PatchMeta(claim.ref, annotations=changes(claim.annotations, wanted)), Wait(patience_s(at.before)))


def age_s(stamp: str, now: datetime) -> float:
    """For ever for what is no time, or one to come: anybody can write it there."""
    try:
        age = (now - moment(stamp)).total_seconds()
    except (ValueError, TypeError):
        return math.inf
    return age if age >= 0 else math.inf


def leave(claim: Claim) -> Plan:
    """It cannot start any more: nobody shall wait for it."""
    annotations = outside(claim)
    if claim.annotations.get(names.RUNNING_REASON) == reasons.QUEUED:
        annotations |= dict.fromkeys((names.RUNNING, names.RUNNING_REASON, names.RUNNING_MESSAGE))
    return (PatchMeta(claim.ref, annotations=annotations),) if annotations else ()


def outside(claim: Claim) -> dict[str, str | None]:
    """What is noted on a claim that is not in the queue, where that differs."""
    said = noted(claim)
    return {names.TRANSFER: unqueued(said).text()} if said.queue_position else {}
