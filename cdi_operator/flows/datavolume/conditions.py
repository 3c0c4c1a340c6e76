"""The conditions Bound, Ready and Running of a DataVolume (spec 2.4), and Failing, which is ours.

Clients compare type, status and reason exactly, and look for the message inside.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.conditions import Condition
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.seen import Claim
from cdi_operator.flows.transfer import Transfer, said


@dataclass(frozen=True)
class Trouble:
    """Why the claim could not be made or taken: the reason and the text for condition and event."""

    reason: str
    message: str
    also: tuple[str, ...] = ()
    """Further events with the same reason."""


def conditions(state: State, phase: str, trouble: Trouble | None) -> tuple[Condition, ...]:
    transfer = state.transfer
    running = running_condition(state.own_claim, transfer)
    bound, ready = bound_condition(state, trouble), ready_condition(phase, running, trouble)
    return bound, ready, running, *failing_condition(transfer)


def bound_condition(state: State, trouble: Trouble | None) -> Condition:
    claim = state.claim
    if trouble is not None:
        return Condition("Bound", "False", trouble.reason, trouble.message)
    if claim is None:
        return Condition("Bound", "False", reasons.NOT_FOUND, "No PVC found")
    if claim.phase == "Lost":
        return Condition("Bound", "False", reasons.CLAIM_LOST, "Claim Lost")
    if claim.bound and not state.populates and claim.annotations.get(names.BOUND) == "false":
        note = claim.annotations.get
        return Condition("Bound", "False", note(names.BOUND_REASON, ""), note(names.BOUND_MESSAGE, ""))
    if claim.bound:
        note = claim.annotations.get
        if note(names.BOUND) == "false" and not state.populates:
            return Condition("Bound", "False", note(names.BOUND_REASON, ""), note(names.BOUND_MESSAGE, ""))
        return Condition("Bound", "True", reasons.BOUND, f"PVC {claim.name} Bound")
    if claim.phase != "Pending":
        return Condition("Bound", "Unknown", reasons.UNKNOWN, "PVC phase unknown")
    reason, message = pending_because(state, claim)
    pending = f"PVC {claim.name} Pending"
    return Condition("Bound", "False", reason, f"target {pending} and {message}" if message else pending)


def pending_because(state: State, claim: Claim) -> tuple[str, str]:
    """What is known about a pending claim: its populator's word, else the latest event about itself.

    One that is being populated is pending all the time, and what is said about that in general is no news.
    """
    if message := claim.annotations.get(names.BOUND_MESSAGE):
        return claim.annotations.get(names.BOUND_REASON) or reasons.PENDING, message
    news = state.news
    telling = news is not None and (news.type == "Warning" or not state.populates or state.waits_for_consumer)
    return reasons.PENDING, news.message if news is not None and telling else ""


def running_condition(claim: Claim | None, transfer: Transfer) -> Condition:
    """Behind the reference's words stands our hint what to do."""
    if claim is None:
        return Condition("Running", "False")
    note = claim.annotations.get
    status = {"true": "True", "false": "False"}.get(note(names.RUNNING, ""), "Unknown")
    message = note(names.RUNNING_MESSAGE, "")
    if message and status == "False" and transfer.error:
        message = said(message, transfer.hint)
    return Condition("Running", status, note(names.RUNNING_REASON, ""), message)


def failing_condition(transfer: Transfer) -> tuple[Condition, ...]:
    """Ours, and only there while it is so: from the first failure until an attempt gets further than that.

    Phase and Running change with every restart of the worker, this one does not; and it says at once what the phase
    must not say (spec 2.3: only a wrong checksum is Failed): that trying again will not help.
    """
    if not transfer.error:
        return ()
    reason = reasons.PERMANENT_ERROR if transfer.error == "Permanent" else reasons.TRANSIENT_ERROR
    return (Condition("Failing", "True", reason, said(transfer.message, transfer.hint)),)


def ready_condition(phase: str, running: Condition, trouble: Trouble | None) -> Condition:
    if trouble is not None and trouble.reason == reasons.ERR_EXCEEDED_QUOTA:
        return Condition("Ready", "False", trouble.reason, trouble.message)
    if phase == "Succeeded":
        return Condition("Ready", "True")
    if phase == "Unknown":
        return Condition("Ready", "Unknown")
    return Condition("Ready", "False", reasons.TRANSFER_RUNNING if running.status == "True" else "")
