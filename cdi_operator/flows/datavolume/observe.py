"""Reads what `plan` needs to know about one DataVolume."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.datavolume.state import DataVolume, State
from cdi_operator.flows.progress import reading
from cdi_operator.flows.rendering import free_volumes, offer, wanted_class
from cdi_operator.flows.seen import Claim, Key, claim, happenings
from cdi_operator.flows.view import View
from cdi_operator.storage.names import import_source_name, prime_name


def observe(view: View, key: Key) -> State | None:
    namespace, name = key
    found = view.get("DataVolume", name, namespace)
    if found is None:
        return None
    volume = data_volume(found)
    target = claim(view.get("PersistentVolumeClaim", name, namespace))
    source_name = import_source_name(volume.ref.uid)
    source = view.get("VolumeImportSource", source_name, namespace)
    events = happenings(view.by("Event", "involved", target.ref.uid)) if target and not target.bound else ()
    return State(
        volume=volume,
        claim=target,
        prime=claim(view.get("PersistentVolumeClaim", prime_name(target.ref.uid), namespace)) if target else None,
        source=source["spec"] if source else None,
        offer=offer(view, chosen_class(view, volume, target), target),
        reserved_volumes=free_volumes(view.by("PersistentVolume", "claim", f"{namespace}/{name}")),
        reading=reading(view, target),
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
    return wanted_class(view, volume.asked_claim, volume.content_type)
