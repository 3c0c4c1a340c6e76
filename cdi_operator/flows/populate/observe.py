"""Reads what `plan` needs to know about one claim with a VolumeImportSource."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.defaults import defaults, storage_class
from cdi_operator.flows.populate.state import State, Volume, relayed
from cdi_operator.flows.progress import reading
from cdi_operator.flows.seen import Claim, Key, claim, happenings
from cdi_operator.flows.view import View
from cdi_operator.storage.names import prime_name

KIND = "VolumeImportSource"


def observe(view: View, key: Key) -> State | None:
    namespace, name = key
    target = claim(view.get("PersistentVolumeClaim", name, namespace))
    source_name = import_source(target) if target else ""
    if target is None or not source_name:
        return None
    hidden = prime_name(target.ref.uid)
    prime = claim(view.get("PersistentVolumeClaim", hidden, namespace))
    if prime is not None and prime.owner_uid != target.ref.uid:
        prime = None
    source = view.get(KIND, source_name, namespace)
    said = happenings(view.by("Event", "involved", prime.ref.uid)) if prime else ()
    events = tuple(event for event in said if event.reason != reasons.CLAIM_MISBOUND)
    told = {event.message for event in happenings(view.by("Event", "involved", target.ref.uid))} if events else set()
    told.add(target.annotations.get(names.BOUND_MESSAGE, ""))
    return State(
        target=target,
        source=source["spec"] if source else None,
        storage_class=storage_class(view, target.storage_class, target),
        defaults=defaults(view),
        prime=prime,
        volume=volume(view, prime),
        handed_over=handed_over(view, target),
        reading=reading(view, prime),
        news=next(iter(events), None),
        untold=tuple(event for event in reversed(events[1:]) if relayed(event, hidden) not in told),
        refusal=view.refusal("PersistentVolumeClaim", hidden, namespace),
    )


def import_source(target: Claim) -> str:
    """Name of the VolumeImportSource that the claim asks for. One that names a namespace is not honoured (spec 4.1)."""
    wanted = target.spec.get("dataSourceRef") or {}
    if wanted.get("apiGroup") != names.GROUP or wanted.get("kind") != KIND:
        return ""
    if wanted.get("namespace"):
        return ""
    return str(wanted.get("name", ""))


def volume(view: View, prime: Claim | None) -> Volume | None:
    found = view.get("PersistentVolume", prime.volume_name) if prime and prime.volume_name else None
    if found is None:
        return None
    return Volume(
        ref=Ref.of({"apiVersion": "v1", "kind": "PersistentVolume", **found}),
        resource_version=found["metadata"]["resourceVersion"],
        claim_uid=owner_uid(found),
    )


def handed_over(view: View, target: Claim) -> bool:
    volumes = view.by("PersistentVolume", "claim", f"{target.ref.namespace}/{target.name}")
    return any(owner_uid(volume) == target.ref.uid for volume in volumes)


def owner_uid(volume: Object) -> str:
    """uid of the claim that the volume belongs to."""
    return str((volume["spec"].get("claimRef") or {}).get("uid", ""))
