"""Why a DataVolume is in its phase: tables, and code only for what does not fit one (spec 2.2, 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.seen import Claim


@dataclass(frozen=True)
class Step:
    """A phase, and the event that tells of it when it is new."""

    phase: str
    reason: str = ""
    message: str = ""
    """With `%s` for the claim's name."""
    type: Literal["Normal", "Warning"] = "Normal"


IMPORT: dict[str, Step] = {
    # what the worker pod is at -> what the DataVolume shows
    "": Step("ImportScheduled"),
    "Pending": Step("ImportScheduled", reasons.IMPORT_SCHEDULED, "Import into %s scheduled"),
    "Running": Step("ImportInProgress", reasons.IMPORT_IN_PROGRESS, "Import into %s in progress"),
    "Failed": Step("ImportScheduled", reasons.IMPORT_FAILED, "Failed to import into PVC %s", "Warning"),
    "Succeeded": Step("Succeeded", reasons.IMPORT_SUCCEEDED, "Successfully imported into PVC %s"),
}
PAUSED = Step("Paused", reasons.IMPORT_PAUSED, "Multistage import into PVC %s is paused")
FATAL = Step("Failed", reasons.IMPORT_FAILED, "Failed to import into PVC %s", "Warning")
LOST = Step("Failed", reasons.ERR_CLAIM_LOST, "PVC %s lost", "Warning")
NO_DATA_SOURCE = Step(
    "Pending",
    reasons.NO_ANY_VOLUME_DATA_SOURCE,
    "AnyVolumeDataSource feature gate is not enabled: External population not supported",
    "Warning",
)
NO_DRIVER = Step(
    "Pending", reasons.NO_CSI_DRIVER, "No CSI drivers were found: External population not supported", "Warning"
)
UNBOUND_PHASES = ("", "Pending", "WaitForFirstConsumer", "PendingPopulation", "Unknown")
OVER = ("Succeeded", "Failed")
"""Of an earlier claim, when this one is not there yet: somebody deleted that one, and the work begins anew."""


def step(state: State) -> Step:
    """Where the DataVolume is."""
    claim, phase = state.claim, state.volume.phase
    if claim is None:
        return Step("Pending" if state.volume.pre_populated else phase or "Pending")
    match claim.phase:
        case "Lost":
            return LOST
        case "Pending" | "Bound" if not state.needs_work:
            return Step("Succeeded")
        case "Pending":
            return while_pending(state, claim)
        case "Bound":
            anew = UNBOUND_PHASES if not state.made_here else (*UNBOUND_PHASES, *OVER)
            return work_step(state, claim) or Step("PVCBound" if phase in anew else phase)
        case _:
            return Step("Unknown")


def work_step(state: State, claim: Claim) -> Step | None:
    """By whoever fills the claim; None before there is anything to tell."""
    return external_step(state, claim) if state.volume.external_source else import_step(state, claim)


def while_pending(state: State, claim: Claim) -> Step:
    phase = state.volume.phase
    if state.reserved:
        return Step("Pending")
    if state.volume.external_source and (hindrance := external_step(state, claim)):
        return hindrance
    if state.waits_for_consumer:
        return Step("PendingPopulation" if state.populates else "WaitForFirstConsumer")
    if not state.populates or state.volume.external_source:
        return Step("Pending")
    if claim.finished:
        return Step(phase or "ImportScheduled")
    return import_step(state, claim) or Step("Pending" if phase in ("", "Unknown", *OVER) else phase)


def import_step(state: State, claim: Claim) -> Step | None:
    """By the worker pod; None before there is one on a bound claim (spec 2.3, precondition)."""
    if claim.finished:
        return IMPORT["Succeeded"]
    pod_phase = claim.annotations.get(names.POD_PHASE, "")
    if pod_phase == "Succeeded":
        return PAUSED
    worked_on = state.prime if state.populates else claim
    if worked_on is None or not worked_on.bound or names.IMPORT_POD_NAME not in worked_on.annotations:
        return None
    if claim.annotations.get(names.FATAL_ERROR) == "true":
        return FATAL
    if not pod_phase and worked_on.annotations.get(names.POD_PHASE):
        # The hidden claim knows its worker, and its target, of which the rest of the status is, is told in a moment.
        return None
    return IMPORT.get(pod_phase, IMPORT[""])


def external_step(state: State, claim: Claim) -> Step | None:
    """Whoever fills it binds it when it is full; until then only what makes that impossible is known (spec 2.3)."""
    source = claim.spec.get("dataSourceRef") or claim.spec.get("dataSource")
    if source is None:
        return NO_DATA_SOURCE
    if claim.bound:
        told = f"PVC %s successfully populated by {source.get('kind', '')}"
        return Step("Succeeded", reasons.EXTERNAL_POPULATION_SUCCEEDED, told)
    return None if state.storage_class is not None and state.storage_class.has_driver else NO_DRIVER
