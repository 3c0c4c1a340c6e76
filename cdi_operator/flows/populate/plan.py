"""What a claim that waits for its content needs next: a hidden claim, news of the work on it, and then its volume.

The hidden claim is made once and left alone until it is bound. When the work is done its volume is handed over by
rewriting the volume's claimRef: the cluster's own binder then binds the target, and the hidden claim is lost and
deleted (spec 4.2).
"""

from __future__ import annotations

from datetime import datetime

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta, PatchSpec, Plan
from cdi_operator.flows.populate.objects import prime_claim
from cdi_operator.flows.populate.state import State
from cdi_operator.flows.seen import Claim
from cdi_operator.flows.settings import Settings

COMPONENT = "import-populator"

NEWS_OF_WORK = (
    names.POD_PHASE,
    names.POD_READY,
    names.POD_RESTARTS,
    names.POD_SCHEDULABLE,
    names.PREALLOCATION_REQUESTED,
    names.PREALLOCATION_APPLIED,
    names.CHECKPOINT_CURRENT,
    names.CHECKPOINT_DONE,
    names.RUNNING,
    names.RUNNING_MESSAGE,
    names.RUNNING_REASON,
    names.FATAL_ERROR,
)
"""Annotations that the hidden claim's workers write and the target shows."""

DONE = "100.0%"


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    if state.target.deleting:
        return ()
    if state.target.bound:
        return finish(state)
    if state.prime is None:
        return begin(state, settings)
    return (*show(state, state.prime), *hand_over(state, state.prime))


def begin(state: State, settings: Settings) -> Plan:
    target = state.target
    if not may_begin(state) or state.source is None:
        return ()
    make = Create(prime_claim(target, state.source, settings))
    if state.refusal is not None:
        told = bound_condition(target, state.refusal.reason, state.refusal.message)
        event = Emit(target.ref, "Warning", "ErrCreatingPVCPrime", state.refusal.message, COMPONENT)
        return (*told, *((event,) if told else ()), make)
    name = make.object["metadata"]["name"]
    return (
        make,
        PatchMeta(target.ref, annotations={names.PVC_PRIME: name}),
        Emit(target.ref, "Normal", "CreatedPVCPrimeSuccessfully", "PVC Prime created successfully", COMPONENT),
    )


def may_begin(state: State) -> bool:
    """The class is known and can be populated, and whoever waits for a consumer has one (spec 4.2 step 1)."""
    kind, target = state.storage_class, state.target
    if kind is None or kind.in_tree:
        return False
    placed = names.SELECTED_NODE in target.annotations or names.IMMEDIATE_BIND in target.annotations
    return placed or not kind.waits_for_consumer


def show(state: State, prime: Claim) -> Plan:
    """Brings the news of the hidden claim to the target, labels together with the phase that they explain."""
    target = state.target
    wanted = {key: prime.annotations[key] for key in NEWS_OF_WORK if key in prime.annotations}
    wanted[names.PVC_PRIME] = prime.name
    if progress := progress_text(state, prime):
        wanted[names.POPULATOR_PROGRESS] = progress
    annotations = {key: value for key, value in wanted.items() if target.annotations.get(key) != value}
    labels = {
        key: value
        for key, value in prime.labels.items()
        if ".kubevirt.io/" in key and key not in target.labels and key != names.EXCLUDE_FROM_BACKUP
    }
    if annotations or labels:
        return (PatchMeta(target.ref, annotations=annotations, labels=labels), *relay(state, prime))
    return relay(state, prime)


def progress_text(state: State, prime: Claim) -> str:
    """Two decimals; 100 is kept for the moment when the volume is handed over (spec 3.8)."""
    if prime.finished:
        return DONE
    if state.percent is None or state.percent >= 100:
        return ""
    return f"{state.percent:.2f}%"


def relay(state: State, prime: Claim) -> Plan:
    """What happens to the hidden claim is told on the target, where users look (spec 2.4)."""
    if state.news is None:
        return ()
    message = f"[{prime.name}] : {state.news.message}"
    told = bound_condition(state.target, "Pending", message)
    if not told:
        return ()
    return (*told, Emit(state.target.ref, state.news.type, state.news.reason, message, COMPONENT))


def bound_condition(target: Claim, reason: str, message: str) -> Plan:
    wanted = {
        names.BOUND: "false",
        names.BOUND_MESSAGE: message,
        names.BOUND_REASON: reason,
    }
    changes = {key: value for key, value in wanted.items() if target.annotations.get(key) != value}
    return (PatchMeta(target.ref, annotations=changes),) if changes else ()


def hand_over(state: State, prime: Claim) -> Plan:
    """The volume goes to the target once the data is on it, if it is still the hidden claim's (spec 4.2 step 5)."""
    volume, target = state.volume, state.target
    if not prime.finished or not prime.bound or volume is None or volume.claim_uid != prime.ref.uid:
        return ()
    claim_ref = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": target.ref.namespace,
        "name": target.name,
        "uid": target.ref.uid,
        "resourceVersion": target.resource_version,
    }
    return (PatchSpec(volume.ref, {"claimRef": claim_ref}, volume.resource_version),)


def finish(state: State) -> Plan:
    """The target has its volume: say so once, and take the hidden claim away unless it is to be looked at."""
    target, prime = state.target, state.prime
    said = target.annotations.get(names.BOUND) == "true" or not target.finished
    retained = prime is not None and target.annotations.get(names.POD_RETAIN) == "true"
    plan: Plan = ()
    if not said:
        annotations = {
            names.BOUND: "true",
            names.BOUND_MESSAGE: "",
            names.BOUND_REASON: "",
        }
        plan += (
            PatchMeta(target.ref, annotations=annotations),
            Emit(target.ref, "Normal", "importSucceeded", f"Successfully imported into {target.name}", COMPONENT),
        )
        if retained:
            text = "PVC Prime retained in Lost state for debugging purposes"
            plan += (Emit(target.ref, "Normal", "RetainedPVCPrime", text, COMPONENT),)
    if prime is not None and not prime.deleting and not retained:
        plan += (Delete(prime.ref),)
    return plan
