"""The status of a DataVolume and the events that tell what is new in it (spec 2.2 updateStatus, 2.3, 2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.actions import Emit, PatchStatus, Plan
from cdi_operator.flows.conditions import Condition, stamped
from cdi_operator.flows.datavolume.conditions import Trouble, conditions
from cdi_operator.flows.datavolume.phases import Step, step
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.datavolume.words import shown_transfer
from cdi_operator.flows.difference import difference
from cdi_operator.flows.progress import DONE, NOT_KNOWN, text
from cdi_operator.flows.transfer import DONE as ENDED

COMPONENT = "datavolume-import-controller"
EXTERNAL_COMPONENT = "datavolume-external-population-controller"


def tell(state: State, trouble: Trouble | None, now: datetime) -> Plan:
    """Patches the status where it differs, then says what changed."""
    volume = state.volume
    old = volume.status
    at = step(state) if trouble is None else held_up(volume.phase, trouble)
    wanted = conditions(state, at.phase, trouble)
    before = old.get("conditions") or ()
    new: dict[str, Any] = {
        "phase": at.phase,
        "progress": progress(state, at.phase),
        "restartCount": restarts(state),
        "claimName": state.own_claim.name if state.own_claim else None,
        "conditions": stamped(now, wanted, before),
        "transfer": shown_transfer(state, at.phase, wanted, trouble),
    }
    changes = {key: value for key, value in new.items() if (old.get(key) or None) != (value or None)}
    if not changes:
        return ()
    if changes.get("transfer"):
        changes["transfer"] = difference(old.get("transfer") or {}, changes["transfer"])
    return (PatchStatus(volume.ref, changes), *events(state, at, wanted, before, trouble))


HELD_UP = {reasons.ERR_EXCEEDED_QUOTA: "Pending", reasons.ERR_CLAIM_NOT_VALID: ""}


def held_up(phase: str, trouble: Trouble) -> Step:
    """A quota may be raised, so the DataVolume is waiting; without a claim to ask for it is as if it were new (and
    looked at again when a class or a profile changes); otherwise its phase says nothing new.
    """
    return Step(HELD_UP.get(trouble.reason, phase))


def progress(state: State, phase: str) -> str:
    """Two decimals and a percent sign; 100 only once the data is all there."""
    said = str(state.volume.status.get("progress") or NOT_KNOWN)
    claim = state.own_claim
    if phase == "Succeeded":
        return DONE if claim is not None and claim.finished and state.needs_work else said
    if claim is None:
        return NOT_KNOWN
    told = claim.annotations.get(names.POPULATOR_PROGRESS, "") if state.populates else told_here(state, said)
    return told if told and told != DONE else NOT_KNOWN if said == DONE else said


def told_here(state: State, until_now: str) -> str:
    begun_anew = (state.volume.status.get("transfer") or {}).get("stage") == ENDED
    return text(state.reading.percent if state.reading else None, "" if begun_anew else until_now)


def restarts(state: State) -> int:
    """Only ever grows."""
    counted = state.own_claim.restarts if state.own_claim else 0
    return max(counted, int(state.volume.status.get("restartCount") or 0))


def events(
    state: State,
    at: Step,
    wanted: tuple[Condition, ...],
    before: Iterable[Mapping[str, str]],
    trouble: Trouble | None,
) -> tuple[Emit, ...]:
    volume = state.volume
    known = {old["type"]: old for old in before}
    bound, ready, running, *_ = wanted
    said: list[Emit] = []
    if trouble is not None and differs(bound, known):
        said += [emit(state, "Warning", trouble.reason, text) for text in (trouble.message, *trouble.also)]
    elif differs(bound, known):
        said.append(emit(state, "Normal", bound.reason, bound.message))
    if at.reason and at.phase != volume.phase:
        said.append(emit(state, at.type, at.reason, at.message.replace("%s", state.claim.name if state.claim else "")))
    if running.reason == reasons.QUEUED != known.get("Running", {}).get("reason"):
        said.append(emit(state, "Normal", running.reason, running.message))
    if complains(state, ready, running) and running.message != known.get("Running", {}).get("message", ""):
        said.append(emit(state, "Warning", running.reason, running.message))
    return tuple(said)


def complains(state: State, ready: Condition, running: Condition) -> bool:
    """The worker is not running, and its words are for the user's eyes (spec 2.4, condition events)."""
    at_work = state.populates or (state.claim is not None and state.claim.bound)
    quiet = running.reason in (reasons.COMPLETED, reasons.SCRATCH_SPACE_REQUIRED, reasons.QUEUED)
    return at_work and ready.status == "False" and running.status == "False" and bool(running.message) and not quiet


def differs(condition: Condition, known: Mapping[str, Mapping[str, str]]) -> bool:
    old = known.get(condition.type, {})
    now = (condition.status, condition.reason, condition.message)
    return (old.get("status", ""), old.get("reason", ""), old.get("message", "")) != now


def emit(state: State, kind: Literal["Normal", "Warning"], reason: str, message: str) -> Emit:
    component = EXTERNAL_COMPONENT if state.volume.external_source else COMPONENT
    return Emit(state.volume.ref, kind, reason, message, component)
