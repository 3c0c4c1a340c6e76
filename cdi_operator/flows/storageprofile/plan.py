"""What a StorageProfile should say: what the user says in its spec, else what is known of the class (spec 1.4, 4.9).

A profile lives as long as its class. Its annotations are ours where the capability table has a word on them, and
otherwise the user's: a class that we know nothing of may be given a minimum size by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Create, Delete, Emit, PatchStatus, Plan
from cdi_operator.flows.conditions import Condition, stamped
from cdi_operator.flows.difference import difference
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.storageprofile.state import Class, Profile, State
from cdi_operator.storage.capabilities import Capabilities, capabilities_of

COMPONENT = "storageprofile-controller"
STRATEGIES = ("copy", "snapshot", "csi-clone")

RECOGNITIONS = {
    reasons.RECOGNIZED_PROVISIONER: Condition(
        "Recognized", "True", reasons.RECOGNIZED_PROVISIONER, "Provisioner is recognized"
    ),
    reasons.UNRECOGNIZED_PROVISIONER: Condition(
        "Recognized", "False", reasons.UNRECOGNIZED_PROVISIONER, "Provisioner is not recognized"
    ),
    reasons.UNRECOGNIZED_PARAMETERS: Condition(
        "Recognized", "False", reasons.UNRECOGNIZED_PARAMETERS, "Storage class parameters are not recognized"
    ),
}


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    storage_class, profile = state.storage_class, state.profile
    if storage_class is None:
        return (Delete(profile.ref),) if profile and not profile.deleting else ()
    known = capabilities_of(storage_class.provisioner, storage_class.parameters)
    if profile is None:
        return (Create(new_profile(state, storage_class, known, settings)),)
    if profile.deleting:
        return ()
    marks = installation.mark(profile.object, profile.ref, state.owner, settings, advice(state, known))
    return (*marks, *tell(state, storage_class, profile, known, now))


def new_profile(state: State, storage_class: Class, known: Capabilities, settings: Settings) -> dict[str, Any]:
    given = {key: value for key, value in advice(state, known).items() if value is not None}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "StorageProfile",
        "metadata": installation.new_metadata(storage_class.name, state.owner, settings, given),
        "spec": {},
    }


def advice(state: State, known: Capabilities) -> dict[str, str | None]:
    """The annotations that the table has a word on; None where the word is that there should be none."""
    wanted: dict[str, str | None] = {}
    if known.minimum_size:
        wanted[names.MINIMUM_PVC_SIZE] = known.minimum_size
    if known.cron_read_write_once:
        wanted[names.CRON_READ_WRITE_ONCE] = "true"
    if known.cron_snapshot_class_parameters:
        wanted[names.CRON_SNAPSHOT_CLASS] = cron_snapshot_class(state, known)
    return wanted


def cron_snapshot_class(state: State, known: Capabilities) -> str | None:
    needed = known.cron_snapshot_class_parameters.items()
    return next((each.name for each in state.snapshot_classes if needed <= each.parameters.items()), None)


def tell(state: State, storage_class: Class, profile: Profile, known: Capabilities, now: datetime) -> Plan:
    problem = refusal_of(profile.spec)
    told = profile.status.get("conditions") or ()
    conditions = [RECOGNITIONS[known.recognition]]
    if problem:
        conditions.append(Condition("Accepted", "False", reasons.ERR_CLAIM_PROPERTY_SETS, problem))
    wanted = status(state, storage_class, profile.spec if not problem else without_sets(profile.spec), known)
    wanted["conditions"] = stamped(now, conditions, told)
    changes = difference(profile.status, wanted)
    if not changes:
        return ()
    if not problem or problem in {each.get("message") for each in told}:
        return (PatchStatus(profile.ref, changes),)
    event = Emit(profile.ref, "Warning", reasons.ERR_CLAIM_PROPERTY_SETS, problem, COMPONENT)
    return (PatchStatus(profile.ref, changes), event)


def status(state: State, storage_class: Class, spec: Mapping[str, Any], known: Capabilities) -> dict[str, Any]:
    """The status without its conditions. What the user says holds as it is, even if it cannot work: see the clone's
    events then."""
    snapshot_class = spec.get("snapshotClass") or next((each.name for each in state.snapshot_classes), None)
    found = {
        "storageClass": storage_class.name,
        "provisioner": storage_class.provisioner,
        "claimPropertySets": spec.get("claimPropertySets") or claim_property_sets(state, known),
        "cloneStrategy": spec.get("cloneStrategy") or clone_strategy(storage_class, known, snapshot_class),
        "dataImportCronSourceFormat": spec.get("dataImportCronSourceFormat") or cron_format(known, snapshot_class),
        "snapshotClass": snapshot_class,
    }
    return {field: value for field, value in found.items() if value}


def claim_property_sets(state: State, known: Capabilities) -> list[dict[str, Any]]:
    offered = known.modes or state.volume_modes
    return [{"accessModes": [modes.access_mode], "volumeMode": modes.volume_mode} for modes in offered]


def clone_strategy(storage_class: Class, known: Capabilities, snapshot_class: str | None) -> str:
    """What the class's annotation or the table advises, but no snapshot where nobody can take one."""
    said = storage_class.annotations.get(names.CLONE_STRATEGY)
    if said in STRATEGIES:
        return said
    advised = known.clone_strategy or "snapshot"
    return "copy" if advised == "snapshot" and not snapshot_class else advised


def cron_format(known: Capabilities, snapshot_class: str | None) -> str:
    return known.cron_source_format if known.cron_source_format and snapshot_class else "pvc"


def refusal_of(spec: Mapping[str, Any]) -> str:
    """Why the user's claimPropertySets cannot be taken; empty when they can."""
    for number, each in enumerate(spec.get("claimPropertySets") or ()):
        if not each.get("accessModes"):
            mode = each.get("volumeMode")
            return f"spec.claimPropertySets[{number}] has volumeMode {mode} but no accessModes: the list is ignored"
    return ""


def without_sets(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in spec.items() if field != "claimPropertySets"}
