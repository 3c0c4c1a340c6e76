"""By what, besides its name, an object is found: the table behind `View.by`.

A row is `kind: {index: values}`, where `values` gives every value under which an object of that kind is filed. All
functions are pure and cheap: they run on every change of every object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cdi_operator.flows.actions import Object
from cdi_operator.flows.queue import is_alive, is_queued
from cdi_operator.flows.seen import controller

Values = Callable[[Object], tuple[str, ...]]


def owner(obj: Object) -> tuple[str, ...]:
    """uid of the controlling owner."""
    reference = controller(obj)
    return (reference["uid"],) if reference else ()


def uid(obj: Object) -> tuple[str, ...]:
    return (obj["metadata"]["uid"],)


def source(claim: Object) -> tuple[str, ...]:
    """`<kind>/<namespace>/<name>` of the population source that a claim names, ours or forklift's (spec 4.1).

    A reference into another namespace is not reconciled, so it is not filed.
    """
    reference = claim["spec"].get("dataSourceRef") or {}
    ours = reference.get("apiGroup") in ("cdi.kubevirt.io", "forklift.cdi.kubevirt.io")
    if not ours or reference.get("namespace"):
        return ()
    return (f"{reference['kind']}/{claim['metadata']['namespace']}/{reference['name']}",)


def claim_of_volume(volume: Object) -> tuple[str, ...]:
    reference = volume["spec"].get("claimRef")
    return (f"{reference['namespace']}/{reference['name']}",) if reference else ()


def class_when_available(volume: Object) -> tuple[str, ...]:
    """Storage class of a volume that nobody claimed yet."""
    available = (volume.get("status") or {}).get("phase") == "Available"
    return (volume["spec"].get("storageClassName") or "",) if available else ()


def phase(obj: Object) -> tuple[str, ...]:
    """status.phase; the empty string while unset."""
    return ((obj.get("status") or {}).get("phase") or "",)


def involved(event: Object) -> tuple[str, ...]:
    """uid of the object an event is about."""
    return (event["involvedObject"].get("uid", ""),)


def name(obj: Object) -> tuple[str, ...]:
    return (obj["metadata"]["name"],)


def alive_worker(pod: Object) -> tuple[str, ...]:
    return ("alive",) if is_alive(pod) else ()


def transfer(claim: Object) -> tuple[str, ...]:
    return ("queued",) if is_queued(claim) else ()


INDICES: Mapping[str, Mapping[str, Values]] = {
    "ConfigMap": {"name": name},
    "DataVolume": {"phase": phase},
    "Event": {"involved": involved},
    "PersistentVolume": {"claim": claim_of_volume, "class": class_when_available},
    "PersistentVolumeClaim": {"uid": uid, "data-source": source, "transfer": transfer},
    "Pod": {"owner": owner, "worker": alive_worker},
}
