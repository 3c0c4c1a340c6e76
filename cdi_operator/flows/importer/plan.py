"""What a claim with import annotations needs next: its worker pod made, followed, replaced or taken away.

The pod is made once the claim is bound: a pod that comes earlier only makes the kubelet back off. The one exception is
a claim that binds when its first consumer is scheduled and is to be bound at once: there our pod is that consumer.
Until it is bound, a claim belongs to its provisioner and to the scheduler: what we wrote on it would make their writes
fail, and them wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows import stages, transfer
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta, Plan, Ref, Seen, Wait
from cdi_operator.flows.difference import changes
from cdi_operator.flows.importer import image_streams, proxy, turns, vddk
from cdi_operator.flows.importer.attempt import attempt
from cdi_operator.flows.importer.nudge import nudge
from cdi_operator.flows.importer.pod import importer_pod
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.importer.words import Fate, told
from cdi_operator.flows.seen import Claim, Worker, remaining_s
from cdi_operator.flows.settings import Settings
from cdi_operator.storage.names import importer_pod_name, prime_name

COMPONENT = "import-controller"
BOUND = (names.BOUND, names.BOUND_MESSAGE, names.BOUND_REASON)
AT_FIRST = timedelta(seconds=2)
SHORTEST_LIFE = timedelta(seconds=10)
"""A failed pod is replaced no sooner than this after it was made: a node that turns pods away, for want of memory say,
turns away the next one too."""


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    return (*clear(state), *decide(state, settings, now))


def decide(state: State, settings: Settings, now: datetime) -> Plan:
    claim, worker = state.claim, state.worker
    if claim.deleting:
        return remove(claim, worker)
    if claim.finished or claim.annotations.get(names.FATAL_ERROR) == "true" or claim.phase == "Lost":
        return (*turns.leave(claim), *(() if keeps_pod(state) else remove(claim, worker)))
    if state.stage is not None and stages.is_copied(claim, state.stage):
        return turns.leave(claim) or move_on(state)
    if worker is None:
        return start(state, settings, now)
    if stages.has_counted(claim, worker.ref.uid):
        return remove(claim, worker)
    if worker.phase == "Failed" and told(worker).phase == "Failed":
        return (*follow(state, worker, now), *replace(claim, worker, now))
    return (*follow(state, worker, now), *nudge(worker, now))


def start(state: State, settings: Settings, now: datetime) -> Plan:
    if not may_start(state):
        return turns.leave(state.claim)
    if state.stage is not None and state.claim.bound and stages.noted(state.claim) is None:
        return (noted(state, stages.notes(state.stage)),)
    if vddk.is_wanted(state.claim) and not vddk.image(state):
        return await_library(state)
    if look := vddk.look(state, now) or image_streams.look(state, now):
        return look
    pod = importer_pod(state, settings)
    make = (*proxy.copied(state, settings), Create(pod, as_seen(state), unused(state.claim)))
    text = (
        f"Error starting pod '{pod['metadata']['name']}': "
        "For more information, request access to cdi-deploy logs from your sysadmin"
    )
    if lacking := proxy.lacking(state, settings):
        return told_on_claim(state, reasons.ERR_STARTING_POD, f"{text}: {lacking}")
    if state.stage and (wrong := stages.unfit(state.stage)):
        return told_on_claim(state, reasons.ERR_STARTING_POD, f"{text}: {wrong}")
    if wrong := vddk.wrong(state) or image_streams.wrong(state):
        again = Wait(vddk.FRESH.total_seconds())
        return (*told_on_claim(state, reasons.ERR_STARTING_POD, f"{text}: {wrong}"), again)
    if (waiting := turns.wait(state, now)) is not None:
        return waiting
    if state.refusal is None or state.refusal.namespace_ends:
        return make
    if state.refusal.in_use:
        return (*told_on_claim(state, reasons.IMPORT_TARGET_IN_USE, state.refusal.message), *make)
    reason = reasons.ERR_EXCEEDED_QUOTA if state.refusal.exceeds_quota else reasons.ERR_STARTING_POD
    return (*told_on_claim(state, reason, f"{text}: {state.refusal.message}"), *make)


def await_library(state: State) -> Plan:
    """Clients look for it in both conditions, and for a DataVolume that is scheduled (spec 2.8)."""
    more = {
        names.IMPORT_POD_NAME: importer_pod_name(state.claim.name, state.stage.current if state.stage else ""),
        names.BOUND: "false",
        names.BOUND_MESSAGE: vddk.AWAITING,
        names.BOUND_REASON: reasons.AWAITING_VDDK,
    }
    return told_on_claim(state, reasons.AWAITING_VDDK, vddk.AWAITING, more)


def as_seen(state: State) -> Seen | None:
    """What was copied long ago must not be copied again, over what a machine has written since, by a controller that
    lags behind and sees neither the note of it nor the pod, which is gone. Nothing can happen to a hidden claim without
    stages: when it is done with it is gone, too.
    """
    claim = state.claim
    return None if is_hidden(claim) and not state.stage else Seen(claim.ref, claim.resource_version)


def unused(claim: Claim) -> Ref | None:
    """What a machine may run on is not written to (spec: event ImportTargetInUse). Nobody can use a hidden claim."""
    return None if is_hidden(claim) else claim.ref


def is_hidden(claim: Claim) -> bool:
    return claim.name == prime_name(claim.owner_uid)


def move_on(state: State) -> Plan:
    """A stage is copied. Its pod goes, and the next one begins when there is one."""
    following = stages.move_on(state.claim.annotations, state.stages)
    if following and state.claim.bound:
        return (noted(state, following),)
    return () if keeps_pod(state) else remove(state.claim, state.worker)


def clear(state: State) -> Plan:
    """The pods of other stages. Each has ended; one that has not, for whatever reason, must not write any more."""
    kept = keeps_pod(state) and not state.claim.deleting
    return tuple(action for pod in state.former if not (kept and pod.over) for action in remove(state.claim, pod))


def may_start(state: State) -> bool:
    """Spec 2.5: a claim that waits for its first consumer is left waiting, unless it is to be bound at once."""
    claim = state.claim
    if not all(pod.over for pod in state.former):
        return False
    if claim.bound:
        return True
    waits = state.storage_class is not None and state.storage_class.waits_for_consumer
    at_once = names.IMMEDIATE_BIND in claim.annotations or not state.defaults.honours_wait
    return waits and at_once and names.SELECTED_NODE not in claim.annotations


def follow(state: State, worker: Worker, now: datetime) -> Plan:
    """Writes the pod's fate on the claim, where the DataVolume and the clients read it (spec 3.1).

    What differs is told for the claim as it was seen: nobody looks any more once it is finished, so that words which
    were written unseen, because the API server's answer got lost, would stay between the last ones.
    """
    claim = state.claim
    if not claim.bound and worker.schedulable:
        return ()
    fate = told(worker)
    if left_s := unimportant_for_s(claim, worker, fate, now):
        return (Wait(left_s),)
    how = transfer.ended(transfer.noted(claim), attempt(worker))
    if state.reading is not None and state.shows_itself:
        how = transfer.shown(how, how, state.reading.transfer)
    wanted: dict[str, str | None] = {
        names.IMPORT_POD_NAME: worker.ref.name,
        names.POD_PHASE: fate.phase,
        names.POD_RESTARTS: str(max(worker.restarts, claim.restarts)),
        names.POD_READY: _bool(worker.ready),
        names.POD_SCHEDULABLE: _bool(worker.schedulable),
        names.RUNNING: _bool(worker.running),
        names.RUNNING_MESSAGE: fate.message,
        names.RUNNING_REASON: fate.reason,
        names.TRANSFER: how.text(),
        **({names.FATAL_ERROR: "true"} if fate.fatal else {}),
        **({names.PREALLOCATION_APPLIED: "true"} if fate.preallocated else {}),
        **fate.library,
        **dict.fromkeys(() if claim.annotations.get(names.BOUND_REASON) != reasons.AWAITING_VDDK else BOUND),
        **of_stage(state, worker, fate),
    }
    annotations = changes(claim.annotations, wanted)
    labels = {key: value for key, value in fate.labels.items() if key not in claim.labels}
    if not annotations and not labels:
        return ()
    patch = PatchMeta(claim.ref, annotations=annotations, labels=labels, resource_version=claim.resource_version)
    error = transfer.new_error(transfer.noted(claim), how) if state.shows_itself else ""
    return (patch, Emit(claim.ref, "Warning", reasons.ERROR, error, COMPONENT)) if error else (patch,)


def unimportant_for_s(claim: Claim, worker: Worker, fate: Fate, now: datetime) -> float:
    """How long it may wait to be told that the first pod is there: until it says more, which takes it a moment. Not
    where the claim said why there was none.
    """
    says_more = worker.phase != "Pending" or not worker.schedulable or fate.reason
    if says_more or any(key in claim.annotations for key in (names.POD_PHASE, names.RUNNING_REASON, names.TRANSFER)):
        return 0.0
    return remaining_s(worker.created_at, AT_FIRST, now)


def of_stage(state: State, worker: Worker, fate: Fate) -> stages.Notes:
    """What the stages make of the pod's fate."""
    if state.stage is None:
        return {}
    said: stages.Notes = {**stages.notes(state.stage), names.CHECKPOINT_POD_ID: worker.ref.uid}
    if fate.phase != "Succeeded":
        return said
    known = {**state.claim.annotations, **stages.notes(state.stage)}
    return {**said, **stages.copied(known, state.stage.current, worker.ref.uid, state.stages)}


def noted(state: State, annotations: Mapping[str, str | None]) -> PatchMeta:
    """On the claim as it was seen."""
    return PatchMeta(state.claim.ref, annotations=annotations, resource_version=state.claim.resource_version)


def replace(claim: Claim, worker: Worker, now: datetime) -> Plan:
    """A pod that failed as a whole (evicted, its node gone) does not come back by itself: the next one takes over."""
    left_s = remaining_s(worker.created_at, SHORTEST_LIFE, now)
    return (Wait(left_s),) if left_s else remove(claim, worker)


def told_on_claim(state: State, reason: str, message: str, more: Mapping[str, str] | None = None) -> Plan:
    """Why there is no worker: a condition for the DataVolume and an event for whoever looks at the claim."""
    claim = state.claim
    wanted = {
        names.RUNNING: "false",
        names.RUNNING_MESSAGE: message,
        names.RUNNING_REASON: reason,
        **turns.outside(claim),
        **(more or {}),
    }
    annotations = changes(claim.annotations, wanted)
    if not annotations:
        return ()
    return (PatchMeta(claim.ref, annotations=annotations), Emit(claim.ref, "Warning", reason, message, COMPONENT))


def remove(claim: Claim, worker: Worker | None) -> Plan:
    if worker is None or worker.deleting:
        return ()
    copy = proxy.copy_of(claim)
    return (Delete(worker.ref), *((Delete(copy),) if copy.name in worker.config_maps else ()))


def keeps_pod(state: State) -> bool:
    return state.claim.annotations.get(names.POD_RETAIN) == "true"


def _bool(value: bool) -> str:
    return "true" if value else "false"
