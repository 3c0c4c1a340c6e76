"""Reads what `plan` needs to know about one DataVolume."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.datavolume.state import DataVolume, FreeVolume, Profile, PropertySet, State
from cdi_operator.flows.defaults import defaults, storage_class
from cdi_operator.flows.progress import percent
from cdi_operator.flows.seen import Claim, Key, claim, happenings
from cdi_operator.flows.view import View
from cdi_operator.storage.classes import choose_class
from cdi_operator.storage.names import import_source_name, prime_name
from cdi_operator.storage.quantity import parse_quantity


def observe(view: View, key: Key) -> State | None:
    namespace, name = key
    found = view.get("DataVolume", name, namespace)
    if found is None:
        return None
    volume = data_volume(found)
    target = claim(view.get("PersistentVolumeClaim", name, namespace))
    class_name = chosen_class(view, volume, target)
    kind = storage_class(view, class_name)
    source_name = import_source_name(volume.ref.uid)
    events = happenings(view.by("Event", "involved", target.ref.uid)) if target and not target.bound else ()
    return State(
        volume=volume,
        claim=target,
        prime=claim(view.get("PersistentVolumeClaim", prime_name(target.ref.uid), namespace)) if target else None,
        has_source=view.get("VolumeImportSource", source_name, namespace) is not None,
        storage_class=kind,
        profile=profile(view.get("StorageProfile", class_name)) if kind else Profile(),
        free_volumes=() if kind else free_volumes(view, class_name),
        defaults=defaults(view),
        percent=percent(view, target),
        news=next(iter(events), None),
        refusal=view.refusal("VolumeImportSource", source_name, namespace)
        or view.refusal("PersistentVolumeClaim", name, namespace),
    )


def data_volume(obj: Object) -> DataVolume:
    meta = obj["metadata"]
    return DataVolume(
        ref=Ref.of({"apiVersion": names.API_VERSION, "kind": "DataVolume", **obj}),
        annotations=meta.get("annotations") or {},
        labels=meta.get("labels") or {},
        spec=obj.get("spec") or {},
        status=obj.get("status") or {},
        deleting="deletionTimestamp" in meta,
    )


def chosen_class(view: View, volume: DataVolume, target: Claim | None) -> str:
    """The class of the claim that is there, else the one asked for, else the default; empty when there is none."""
    if target is not None:
        return target.storage_class
    wanted = volume.spec.get("storage") or volume.spec.get("pvc") or {}
    name = wanted.get("storageClassName")
    if name is not None:
        return str(name)
    found = choose_class(view.all("StorageClass"), None, for_disk=volume.content_type == "kubevirt")
    return str(found["metadata"]["name"]) if found else ""


def profile(obj: Object | None) -> Profile:
    if obj is None:
        return Profile()
    rows = (obj.get("status") or {}).get("claimPropertySets") or ()
    notes = obj["metadata"].get("annotations") or {}
    return Profile(
        property_sets=tuple(PropertySet(tuple(row.get("accessModes") or ()), row["volumeMode"]) for row in rows),
        minimum_size=notes.get(names.MINIMUM_PVC_SIZE, ""),
    )


def free_volumes(view: View, class_name: str) -> tuple[FreeVolume, ...]:
    """What a claim of a class without a class object may still bind to (spec 4.7 step 2)."""
    specs = (volume["spec"] for volume in view.by("PersistentVolume", "class", class_name))
    return tuple(
        FreeVolume(
            modes=PropertySet(tuple(spec["accessModes"]), spec.get("volumeMode", "Filesystem")),
            capacity_bytes=parse_quantity(spec["capacity"]["storage"]),
        )
        for spec in specs
    )
