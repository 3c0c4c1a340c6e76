"""What a claim that waits for its content needs next: a hidden claim, news of the work on it, and then its volume.

The hidden claim is made once and left alone until it is bound. When the work is done its volume is handed over by
rewriting the volume's claimRef: the cluster's own binder then binds the target, and the hidden claim is lost and
deleted (spec 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows import progress, transfer
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta, PatchSpec, Plan, Wait
from cdi_operator.flows.difference import changes
from cdi_operator.flows.populate.objects import prime_claim
from cdi_operator.flows.populate.state import State, relayed
from cdi_operator.flows.seen import Claim, moment, remaining_s
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.sources import import_kind

COMPONENT = "import-populator"
AT_FIRST = timedelta(seconds=5)

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
    names.VDDK_VERSION,
    names.VDDK_HOST,
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
    if left_s := unimportant_for_s(state, state.prime, now):
        return (Wait(left_s),)
    return (*show(state, state.prime), *hand_over(state, state.prime))


def begin(state: State, settings: Settings) -> Plan:
    target = state.target
    if not may_begin(state) or state.source is None:
        return ()
    if import_kind(state.source.get("source") or {}) is None:
        reason, text = reasons.SOURCE_NOT_SUPPORTED, "the VolumeImportSource names no source that is known"
        return in_the_way(target, reason, reason, text)
    if trouble := mismatch(target, state.source):
        return in_the_way(target, reasons.ERR_CREATING_PRIME, reasons.ERR_CREATING_PRIME, trouble)
    make = Create(prime_claim(target, state.source, state.defaults.preallocation, settings))
    if state.refusal is not None and state.refusal.namespace_ends:
        return (make,)
    if state.refusal is not None:
        reason = reasons.ERR_EXCEEDED_QUOTA if state.refusal.exceeds_quota else reasons.ERR_CREATING_PRIME
        return (*in_the_way(target, reason, reasons.ERR_CREATING_PRIME, state.refusal.message), make)
    name = make.object["metadata"]["name"]
    return (
        make,
        PatchMeta(target.ref, annotations={names.PVC_PRIME: name}),
        Emit(target.ref, "Normal", reasons.CREATED_PRIME, "PVC Prime created successfully", COMPONENT),
    )


def mismatch(target: Claim, source: Mapping[str, Any]) -> str:
    """Why the claim is not filled from that source, which may be meant for another one; empty when it is.

    Each claim takes up the list of stages from its beginning, so a list is one claim's (spec 4.2).
    """
    meant = source.get("targetClaim")
    if not meant and source.get("checkpoints"):
        return "Unable to do multi-stage import without specifying a target claim"
    return f"the VolumeImportSource is meant for the claim {meant}" if meant and meant != target.name else ""


def in_the_way(target: Claim, reason: str, event_reason: str, message: str) -> Plan:
    """Why there is no hidden claim: a condition for the DataVolume and, when it is new, an event."""
    annotations = changes(target.annotations, not_bound(reason, message))
    event = Emit(target.ref, "Warning", event_reason, message, COMPONENT)
    return (PatchMeta(target.ref, annotations=annotations), event) if annotations else ()


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


def unimportant_for_s(state: State, prime: Claim, now: datetime) -> float:
    """How long the news of the hidden claim may wait: a moment from its beginning, while nothing is said of the work
    and nobody complains, now or on the target from before.

    Storage that is quick says three things within that moment, and each time that the target changes the cluster's own
    controllers tell anew what they wait for. So all of it is told at once, in its order, with the news of the worker.
    """
    complaint = state.target.annotations.get(names.BOUND_REASON, reasons.PENDING) != reasons.PENDING
    if complaint or any(key in prime.annotations for key in (*NEWS_OF_WORK, names.TRANSFER)):
        return 0.0
    said = (*state.untold, *((state.news,) if state.news else ()))
    if any(each.type == "Warning" for each in said):
        return 0.0
    return remaining_s(moment(prime.created_at), AT_FIRST, now)


def show(state: State, prime: Claim) -> Plan:
    """Brings the news of the hidden claim to the target: of the work, with the labels that explain it, and of itself.

    What differs is told for the target as it was seen. Were it patched as it is by now, unseen, an answer of the API
    server that got lost could leave old and new words on it for good, since nobody looks any more once it is bound.
    """
    target = state.target
    annotations = changes(target.annotations, {**news_of_work(state, prime), **news_of_binding(state, prime)})
    labels = {key: value for key, value in prime.labels.items() if ".kubevirt.io/" in key and key not in target.labels}
    if not annotations and not labels:
        return ()
    patch = PatchMeta(target.ref, annotations=annotations, labels=labels, resource_version=target.resource_version)
    return (patch, *events(state, prime, annotations))


def events(state: State, prime: Claim, new: Mapping[str, str | None]) -> tuple[Emit, ...]:
    """About what is new on the target. Of a DataVolume's, the DataVolume tells what is wrong with the transfer."""
    ref, news = state.target.ref, state.news
    error = transfer.new_error(transfer.noted(state.target), transfer.read(new.get(names.TRANSFER)))
    own = error and not state.target.owner_uid
    failed = new.get(names.POD_PHASE) == "Failed"
    text = f"Failed to import into PVC {state.target.name}"
    relay = (*state.untold, news) if news and names.BOUND_MESSAGE in new else ()
    return (
        *(Emit(ref, each.type, each.reason, relayed(each, prime.name), COMPONENT) for each in relay),
        *((Emit(ref, "Warning", reasons.ERROR, error, COMPONENT),) if own else ()),
        *((Emit(ref, "Warning", reasons.POPULATOR_IMPORT_FAILED, text, COMPONENT),) if failed else ()),
    )


def news_of_work(state: State, prime: Claim) -> dict[str, str | None]:
    told, before = state.reading, transfer.noted(state.target)
    until_now = "" if before.stage == transfer.DONE else state.target.annotations.get(names.POPULATOR_PROGRESS, "")
    shown = progress.DONE if prime.finished else progress.text(told.percent if told else None, until_now)
    return {
        **{key: prime.annotations.get(key) for key in NEWS_OF_WORK},
        names.TRANSFER: transfer.shown(transfer.noted(prime), before, told.transfer if told else None).text(),
        names.PREALLOCATION_REQUESTED: prime.annotations.get(names.PREALLOCATION_REQUESTED, "false"),
        names.POD_RESTARTS: str(max(prime.restarts, state.target.restarts)),
        names.PVC_PRIME: prime.name,
        **({names.POPULATOR_PROGRESS: shown} if shown else {}),
    }


def news_of_binding(state: State, prime: Claim) -> Mapping[str, str | None]:
    """What happens to the hidden claim is told on the target, where users look (spec 2.4)."""
    if state.news is not None:
        return not_bound(reasons.PENDING, relayed(state.news, prime.name))
    of_prime = state.target.annotations.get(names.BOUND_REASON, reasons.PENDING) == reasons.PENDING
    return {} if of_prime else dict.fromkeys((names.BOUND, names.BOUND_MESSAGE, names.BOUND_REASON))


def not_bound(reason: str, message: str) -> dict[str, str | None]:
    """The condition Bound of the DataVolume, as annotations."""
    return {names.BOUND: "false", names.BOUND_REASON: reason, names.BOUND_MESSAGE: message}


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
