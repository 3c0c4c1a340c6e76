"""What a DataVolume needs next: its claim, what fills the claim, and its status.

A claim that somebody else owns is never touched, and one that is taken as it is only becomes ours. The claim that we
make is made once, whole; everything later happens on it through the importer and populate flows, and comes back here as
annotations (spec 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.actions import Create, Delete, PatchMeta, PatchSpec, Plan, Ref
from cdi_operator.flows.datavolume.claim import claim_object, claim_spec, import_source
from cdi_operator.flows.datavolume.conditions import Trouble
from cdi_operator.flows.datavolume.existing import marks, take_over
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.datavolume.status import tell
from cdi_operator.flows.difference import changes
from cdi_operator.flows.rendering import InvalidClaimError
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.stages import LIST
from cdi_operator.storage.names import import_source_name


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    if state.volume.deleting:
        return ()
    if not supported(state):
        text = f"a DataVolume with {asked_source(state)} is not supported by this release"
        return tell(state, Trouble(reasons.SOURCE_NOT_SUPPORTED, text), now)
    if state.claim is None:
        return tell(state, None, now) if state.volume.pre_populated else make_claim(state, settings, now)
    if state.claim.deleting:
        text = f'Resource "{state.claim.name}" marked for deletion'
        return tell(state, Trouble(reasons.ERR_RESOURCE_MARKED_FOR_DELETION, text), now)
    if state.foreign:
        text = f'Resource "{state.claim.name}" already exists and is not managed by DataVolume'
        return tell(state, Trouble(reasons.ERR_RESOURCE_EXISTS, text), now)
    if taken := take_over(state):
        return taken
    source = population_source(state, settings, state.claim.spec)
    told = tell(state, refused(state) if source else None, now)
    return (*told, *source, *marks(state), *found_labels(state), *told_by_library(state))


def supported(state: State) -> bool:
    """A claim that needs no work is taken whatever it would have been filled from."""
    known = state.volume.import_kind is not None or state.volume.external_source is not None
    return known or state.volume.pre_populated or not state.needs_work


def asked_source(state: State) -> str:
    kind = next(iter(state.volume.source), "")
    return f"source {kind!r}" if kind else "a sourceRef" if "sourceRef" in state.volume.spec else "no source"


def make_claim(state: State, settings: Settings, now: datetime) -> Plan:
    try:
        spec = claim_spec(state)
    except InvalidClaimError as error:
        return tell(state, Trouble(reasons.ERR_CLAIM_NOT_VALID, str(error), error.more), now)
    claim = claim_object(state, spec, settings)
    make = (*decision(state), *population_source(state, settings, claim["spec"]), Create(claim))
    trouble = refused(state)
    return (*tell(state, trouble, now), *make) if trouble else make


def refused(state: State) -> Trouble | None:
    if state.refusal is None or state.refusal.namespace_ends:
        return None
    reason = reasons.ERR_EXCEEDED_QUOTA if state.refusal.exceeds_quota else reasons.ERR_CLAIM_NOT_VALID
    return Trouble(reason, state.refusal.message)


def decision(state: State) -> Plan:
    """The flow is chosen once, and written down: a CSI driver that comes or goes later changes nothing (spec 4.1)."""
    if names.USE_POPULATOR in state.volume.annotations:
        return ()
    return (PatchMeta(state.volume.ref, annotations={names.USE_POPULATOR: "true" if state.populates else "false"}),)


def found_labels(state: State) -> Plan:
    """What the image in a registry says about its machine (spec 2.2 step 8); what the user said counts more."""
    volume, claim = state.volume, state.claim
    if volume.import_kind != "registry" or claim is None or not claim.finished:
        return ()
    said = {key: claim.labels[key] for key in names.DEFAULT_INSTANCETYPE_LABELS if key in claim.labels}
    labels = {key: value for key, value in said.items() if key not in volume.labels}
    return (PatchMeta(volume.ref, labels=labels),) if labels else ()


def told_by_library(state: State) -> Plan:
    """Which of VMware's libraries copied the disk, and from which host: clients look for it on the DataVolume."""
    told = state.claim.annotations if state.claim else {}
    found = {key: told[key] for key in (names.VDDK_VERSION, names.VDDK_HOST) if key in told}
    new = changes(state.volume.annotations, found)
    return (PatchMeta(state.volume.ref, annotations=new),) if new else ()


def population_source(state: State, settings: Settings, claim_spec: Mapping[str, Any]) -> Plan:
    """The VolumeImportSource is there exactly as long as the claim that refers to it is not filled, and lists the same
    stages.
    """
    filled = state.claim is not None and state.claim.bound and (state.claim.finished or not state.needs_work)
    volume, name = state.volume, import_source_name(state.volume.ref.uid)
    refers = volume.import_kind is not None and (claim_spec.get("dataSourceRef") or {}).get("name") == name
    if state.source is None:
        return (Create(import_source(state, settings)),) if refers and not filled else ()
    ref = Ref(volume.ref.api_version, "VolumeImportSource", name, volume.ref.namespace)
    if filled:
        return (Delete(ref),)
    listed = {key: volume.spec.get(key) or None for key in LIST}
    outdated = {key: value for key, value in listed.items() if value != (state.source.get(key) or None)}
    return (PatchSpec(ref, outdated),) if outdated else ()
