"""What a claim that waits for its content needs next: a hidden claim, news of the work on it, and then its volume.

The hidden claim is made once and left alone until it is bound. When the work is done its volume is handed over by
rewriting the volume's claimRef: the cluster's own binder then binds the target, and the hidden claim is lost and
deleted (spec 4.2).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows import progress
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta, PatchSpec, Plan
from cdi_operator.flows.populate.objects import prime_claim
from cdi_operator.flows.populate.state import State
from cdi_operator.flows.seen import Claim
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.sources import import_kind

COMPONENT = "import-populator"
QUOTA = "exceeded quota"
NOT_SUPPORTED = "SourceNotSupported"

NEWS_OF_WORK = (
    names.POD_PHASE,
    names.POD_READY,
    names.POD_SCHEDULABLE,
    names.PREALLOCATION_APPLIED,
    names.CHECKPOINT_CURRENT,
    names.CHECKPOINT_DONE,
    names.RUNNING,
    names.RUNNING_MESSAGE,
    names.RUNNING_REASON,
    names.FATAL_ERROR,
)
"""Annotations that the hidden claim's workers write and the target shows. What a hidden claim does not say is not left
over from the one before it either."""


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    if state.target.deleting:
        return ()
    if state.target.bound:
        return finish(state)
    if state.handed_over:
        return ()
    if state.prime is None:
        return begin(state, settings)
    if state.prime.phase == "Lost":
        return start_over(state.prime)
    return (*show(state, state.prime), *hand_over(state, state.prime))


def begin(state: State, settings: Settings) -> Plan:
    target = state.target
    if not may_begin(state) or state.source is None:
        return ()
    if import_kind(state.source.get("source") or {}) is None:
        return tell(target, "Warning", NOT_SUPPORTED, "the VolumeImportSource names no source that is known")
    make = Create(prime_claim(target, state.source, state.defaults.preallocation, settings))
    if state.refusal is not None:
        message = state.refusal.message
        quota = reasons.ERR_EXCEEDED_QUOTA if QUOTA in message else reasons.ERR_CREATING_PRIME
        return (*tell(target, "Warning", reasons.ERR_CREATING_PRIME, message, condition=quota), make)
    name = make.object["metadata"]["name"]
    return (
        make,
        PatchMeta(target.ref, annotations={names.PVC_PRIME: name}),
        Emit(target.ref, "Normal", reasons.CREATED_PRIME, "PVC Prime created successfully", COMPONENT),
    )


def may_begin(state: State) -> bool:
    """The class is known and can be populated, and whoever waits for a consumer has one (spec 4.2 step 1)."""
    kind, target = state.storage_class, state.target
    if kind is None or kind.in_tree:
        return False
    placed = names.SELECTED_NODE in target.annotations or names.IMMEDIATE_BIND in target.annotations
    return placed or not kind.waits_for_consumer


def start_over(prime: Claim) -> Plan:
    """Its volume is gone, and was not handed over: nothing is left to wait for."""
    return () if prime.deleting else (Delete(prime.ref),)


def show(state: State, prime: Claim) -> Plan:
    """Brings the news of the hidden claim to the target, labels together with the phase that they explain."""
    target = state.target
    wanted = {
        **{key: prime.annotations.get(key) for key in NEWS_OF_WORK},
        names.PREALLOCATION_REQUESTED: prime.annotations.get(names.PREALLOCATION_REQUESTED, "false"),
        names.POD_RESTARTS: str(max(prime.restarts, target.restarts)),
        names.PVC_PRIME: prime.name,
    }
    if shown := progress.DONE if prime.finished else progress.text(state.percent):
        wanted[names.POPULATOR_PROGRESS] = shown
    annotations = {key: value for key, value in wanted.items() if target.annotations.get(key) != value}
    labels = {key: value for key, value in prime.labels.items() if ".kubevirt.io/" in key and key not in target.labels}
    patch = (PatchMeta(target.ref, annotations=annotations, labels=labels),) if annotations or labels else ()
    return (*patch, *relay(state, prime))


def relay(state: State, prime: Claim) -> Plan:
    """What happens to the hidden claim is told on the target, where users look (spec 2.4)."""
    target = state.target
    if state.news is not None:
        return tell(target, state.news.type, state.news.reason, f"[{prime.name}] : {state.news.message}")
    if target.annotations.get(names.BOUND_REASON, reasons.PENDING) == reasons.PENDING:
        return ()
    no_more = dict.fromkeys((names.BOUND, names.BOUND_MESSAGE, names.BOUND_REASON))
    return (PatchMeta(target.ref, annotations=no_more),)


def tell(
    target: Claim, kind: Literal["Normal", "Warning"], reason: str, message: str, condition: str = reasons.PENDING
) -> Plan:
    """Why the target is not bound: as a condition (with reason `condition`) for the DataVolume, and as an event."""
    wanted = {
        names.BOUND: "false",
        names.BOUND_MESSAGE: message,
        names.BOUND_REASON: condition,
    }
    changes = {key: value for key, value in wanted.items() if target.annotations.get(key) != value}
    if not changes:
        return ()
    return (PatchMeta(target.ref, annotations=changes), Emit(target.ref, kind, reason, message, COMPONENT))


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
            Emit(
                target.ref,
                "Normal",
                reasons.POPULATOR_IMPORT_SUCCEEDED,
                f"Successfully imported into {target.name}",
                COMPONENT,
            ),
        )
        if retained:
            text = "PVC Prime retained in Lost state for debugging purposes"
            plan += (Emit(target.ref, "Normal", reasons.RETAINED_PRIME, text, COMPONENT),)
    if prime is not None and not prime.deleting and not retained:
        plan += (Delete(prime.ref),)
    return plan
