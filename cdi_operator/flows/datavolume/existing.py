"""Claims that are there before anybody fills them: those that are adopted, and those for volumes made beforehand.

A restored backup brings both: the claim that was filled for a DataVolume comes back before or after it, or the volume
does, with a claimRef that names the claim. Nothing is imported into them (spec 2.2 steps 6, 7 and 10; 2.6).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.actions import Delete, PatchMeta, Plan
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.datavolume.status import emit
from cdi_operator.flows.rendering import FreeVolume
from cdi_operator.flows.seen import Claim, owner_reference
from cdi_operator.storage.quantity import QuantityError, parse_quantity


def reserved_volumes(state: State, spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the volumes that wait for a claim of this spec, when the user wants such volumes used."""
    if names.CHECK_STATIC_VOLUME not in state.volume.annotations:
        return ()
    default = state.storage_class.name if state.storage_class else ""
    wanted = {"storageClassName": default, **spec}
    return tuple(volume.name for volume in state.reserved_volumes if satisfies(volume, wanted))


def satisfies(volume: FreeVolume, spec: Mapping[str, Any]) -> bool:
    """As the cluster's binder sees it: class, modes and size."""
    try:
        asked_bytes = parse_quantity(spec.get("resources", {}).get("requests", {}).get("storage", "0"))
    except QuantityError:
        return False
    return (
        volume.storage_class == spec["storageClassName"]
        and volume.modes.volume_mode == spec["volumeMode"]
        and {*(spec.get("accessModes") or ())} <= {*volume.modes.access_modes}
        and volume.capacity_bytes >= asked_bytes
    )


def take_over(state: State) -> Plan:
    """Makes the claim ours that may be had as it is; () for every other one."""
    claim = state.claim
    if claim is None:
        return ()
    if claim.owner_uid != state.volume.ref.uid:
        return (own(state, claim),)
    volumes = listed(claim) if state.reserved and claim.bound else None
    if volumes is None:
        return ()
    if claim.volume_name in volumes:
        filled = {names.POPULATED_FOR: state.volume.ref.name, names.PERSISTENT_VOLUME_LIST: None}
        return (PatchMeta(claim.ref, annotations=filled, resource_version=claim.resource_version),)
    return (emit(state, "Warning", reasons.ERR_CLAIM_NOT_VALID, unexpected(claim)), Delete(claim.ref))


def own(state: State, claim: Claim) -> PatchMeta:
    owners = (*claim.owners, owner_reference(state.volume.ref))
    return PatchMeta(claim.ref, owner_references=owners, resource_version=claim.resource_version)


def listed(claim: Claim) -> tuple[str, ...] | None:
    """The volumes that the claim was made for; None when somebody has spoilt the list: then nothing is decided."""
    try:
        found = json.loads(claim.annotations[names.PERSISTENT_VOLUME_LIST])
    except ValueError:
        return None
    return tuple(map(str, found)) if isinstance(found, list) else None


def unexpected(claim: Claim) -> str:
    return f"DataVolume bound to unexpected PV {claim.volume_name}"


def marks(state: State) -> Plan:
    """What DataVolume and claim note of each other for a later restore (spec 2.2 steps 7 and 10)."""
    claim, volume = state.own_claim, state.volume
    if claim is None:
        return ()
    plan: Plan = ()
    populated_for = volume.annotations.get(names.POPULATED_FOR)
    if populated_for is not None and volume.phase == "Succeeded" and names.POPULATED_FOR not in claim.annotations:
        plan += (PatchMeta(claim.ref, annotations={names.POPULATED_FOR: populated_for}),)
    filled = claim.bound and claim.annotations.get(names.POPULATED_FOR) == volume.ref.name
    if filled and volume.annotations.get(names.PRE_POPULATED) != claim.name:
        plan += (PatchMeta(volume.ref, annotations={names.PRE_POPULATED: claim.name}),)
    return plan
