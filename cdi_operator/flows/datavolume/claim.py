"""The claim that a DataVolume asks for, completed from the storage class's profile where it leaves things open.

`spec.pvc` is taken literally. `spec.storage` says what the user needs; class, modes and room for the filesystem are
found here (spec 4.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.datavolume.state import PropertySet, State
from cdi_operator.flows.seen import owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.sources import import_annotations
from cdi_operator.storage.names import import_source_name
from cdi_operator.storage.quantity import QuantityError, parse_quantity
from cdi_operator.storage.sizes import MIB, at_least, required_bytes

NO_CLASS = "PVC spec is missing accessMode and no storageClass to choose profile"


class InvalidClaimError(Exception):
    """The DataVolume cannot be made into a claim. The message is the user's; `more` are further events."""

    def __init__(self, message: str, *more: str) -> None:
        super().__init__(message)
        self.more = more


def claim_spec(state: State) -> dict[str, Any]:
    """The spec of the claim; `InvalidClaimError` when the DataVolume does not say enough, or something impossible."""
    spec = state.volume.spec
    if spec.get("pvc") is not None:
        literal = dict(spec["pvc"])
        literal.setdefault("volumeMode", "Filesystem")
        return literal
    asked = dict(spec.get("storage") or {})
    size = parse_size(asked)
    modes = chosen_modes(state, asked, size)
    if modes.volume_mode == "Filesystem":
        size = required_bytes(size, state.defaults.overhead(class_name(state, asked)))
    resources = asked.get("resources") or {}
    requests = {**(resources.get("requests") or {}), "storage": at_least(str(size), state.profile.minimum_size)}
    return {
        **asked,
        "accessModes": list(modes.access_modes),
        "volumeMode": modes.volume_mode,
        "resources": {**resources, "requests": requests},
        **({"storageClassName": name} if (name := class_name(state, asked)) else {}),
    }


def class_name(state: State, asked: Mapping[str, Any]) -> str:
    given = asked.get("storageClassName")
    if given is not None:
        return str(given)
    return state.storage_class.name if state.storage_class else ""


def chosen_modes(state: State, asked: Mapping[str, Any], size_bytes: int) -> PropertySet:
    access_modes = tuple(asked.get("accessModes") or ())
    volume_mode = asked.get("volumeMode") or ""
    if state.volume.content_type == "archive":
        if volume_mode == "Block":
            raise InvalidClaimError("ContentType Archive cannot have block volumeMode")
        volume_mode = "Filesystem"
    if access_modes and volume_mode:
        return PropertySet(access_modes, volume_mode)
    kind = state.storage_class
    if kind is None:
        return modes_of_free_volume(state, asked.get("storageClassName"), access_modes, volume_mode, size_bytes)
    if found := first_match(state.profile.property_sets, access_modes, volume_mode):
        return PropertySet(access_modes or found.access_modes, volume_mode or found.volume_mode)
    if access_modes:
        preferred = (row.volume_mode for row in state.profile.property_sets)
        return PropertySet(access_modes, next(preferred, "Filesystem"))
    matching = "matching " if state.profile.property_sets else ""
    missing = "accessMode and" if volume_mode else "accessMode and volumeMode,"
    raise InvalidClaimError(
        f"no {matching}accessMode specified in StorageProfile {kind.name}",
        f"Spec is missing {missing} cannot get access mode from StorageProfile {kind.name}",
    )


def modes_of_free_volume(
    state: State, class_name: str | None, access_modes: tuple[str, ...], volume_mode: str, size_bytes: int
) -> PropertySet:
    """Without a class, a volume made by hand may still do, if the DataVolume says which: by class name or by a mode."""
    if class_name is not None or access_modes or volume_mode:
        large_enough = (volume.modes for volume in state.free_volumes if volume.capacity_bytes >= size_bytes)
        if found := first_match(large_enough, access_modes, volume_mode):
            return PropertySet(access_modes or found.access_modes, volume_mode or found.volume_mode)
    if access_modes:
        return PropertySet(access_modes, "Filesystem")
    raise InvalidClaimError(f'{NO_CLASS}: StorageClass "{class_name}" not found' if class_name else NO_CLASS)


def first_match(rows: Iterable[PropertySet], access_modes: tuple[str, ...], volume_mode: str) -> PropertySet | None:
    """The preferred row that agrees with what was asked."""
    for row in rows:
        same_mode = not volume_mode or row.volume_mode == volume_mode
        if same_mode and row.access_modes and all(mode in row.access_modes for mode in access_modes):
            return row
    return None


def parse_size(asked: Mapping[str, Any]) -> int:
    given = ((asked.get("resources") or {}).get("requests") or {}).get("storage")
    if given is None:
        raise InvalidClaimError("PVC Spec is not valid - missing storage size")
    try:
        size = parse_quantity(given)
    except QuantityError as error:
        raise InvalidClaimError(f"PVC Spec is not valid - {error}") from error
    if size < MIB:
        raise InvalidClaimError("PVC Spec is not valid - storage size should be at least 1MiB")
    return size


def claim_object(state: State, spec: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The claim, whole: it is not edited later (spec 2.2 "Created PVC")."""
    volume = state.volume
    spec = dict(spec)
    flow = import_annotations(volume.source)
    if state.populates:
        flow = {names.USE_POPULATOR: "true"}
        if not state.defaults.honours_wait:
            flow[names.IMMEDIATE_BIND] = volume.annotations.get(names.IMMEDIATE_BIND, "")
        spec["dataSourceRef"] = {
            "apiGroup": names.GROUP,
            "kind": "VolumeImportSource",
            "name": import_source_name(volume.ref.uid),
        }
    filesystem = spec["volumeMode"] != "Block"
    wishes = {
        names.PRIORITY_CLASS: volume.spec.get("priorityClassName", ""),
        names.SERVICE_ACCOUNT: volume.spec.get("serviceAccountName", ""),
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": volume.ref.name,
            "namespace": volume.ref.namespace,
            "labels": {
                **volume.labels,
                **settings.labels,
                names.APP: names.APP_NAME,
                **({names.NO_FILLING_UP_ALERT: "disabled"} if filesystem else {}),
            },
            "annotations": {
                **volume.annotations,
                **{key: value for key, value in wishes.items() if value},
                names.POD_RESTARTS: "0",
                names.CONTENT_TYPE: volume.content_type,
                names.PREALLOCATION_REQUESTED: "true" if preallocates(state) else "false",
                names.CREATED_FOR_DATA_VOLUME: volume.ref.uid,
                **flow,
            },
            "ownerReferences": [owner_reference(volume.ref)],
        },
        "spec": spec,
    }


def preallocates(state: State) -> bool:
    asked = state.volume.spec.get("preallocation")
    return state.defaults.preallocation if asked is None else bool(asked)


def import_source(state: State, settings: Settings) -> dict[str, Any]:
    """The VolumeImportSource that the claim refers to."""
    volume = state.volume
    passed_on = {key: volume.spec[key] for key in ("checkpoints", "finalCheckpoint") if key in volume.spec}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "VolumeImportSource",
        "metadata": {
            "name": import_source_name(volume.ref.uid),
            "namespace": volume.ref.namespace,
            "labels": {**settings.labels, names.APP: names.APP_NAME},
            "ownerReferences": [owner_reference(volume.ref)],
        },
        "spec": {
            "source": {volume.import_kind: volume.source[volume.import_kind or ""]},
            "contentType": volume.content_type,
            "preallocation": preallocates(state),
            **passed_on,
        },
    }
