"""The installation: where its CDI object lets workers run, the ConfigMaps beside it, and the marks of what is kept for
it cluster-wide.

StorageProfiles and CDIConfig carry our labels and go when the installation goes, by owner reference (spec 1.4, 1.5).
Without a CDI object, as under plain helm, they simply stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object, PatchMeta, Plan, Ref
from cdi_operator.flows.difference import changes
from cdi_operator.flows.seen import owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.view import View


def active(view: View) -> Object | None:
    """The CDI object that counts: the oldest (spec 1.6)."""

    def age(installation: Object) -> tuple[str, str]:
        meta = installation["metadata"]
        return str(meta.get("creationTimestamp", "")), str(meta["name"])

    return min(view.all("CDI"), key=age, default=None)


def worker_placement(view: View) -> Mapping[str, Any]:
    """Where worker pods may run: nodeSelector, affinity, tolerations, as in a pod's spec (spec 1.6)."""
    installation = active(view) or {}
    return (installation.get("spec") or {}).get("workload") or {}


def config_map(view: View, name: str) -> Mapping[str, str] | None:
    """Data of a ConfigMap in the namespace of the installation, the only one whose ConfigMaps are followed."""
    found = next(iter(view.by("ConfigMap", "name", name)), None) if name else None
    return None if found is None else found.get("data") or {}


def owner(view: View) -> Ref | None:
    """Who owns what is kept for the installation."""
    found = active(view)
    return Ref.of({"apiVersion": names.API_VERSION, "kind": "CDI", **found}) if found else None


def labels(settings: Settings) -> dict[str, str]:
    return {names.APP: names.APP_NAME, names.COMPONENT: "", **settings.labels}


def new_metadata(
    name: str, owned_by: Ref | None, settings: Settings, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Metadata of an object that is about to be made."""
    return {
        "name": name,
        "labels": labels(settings),
        **({"annotations": dict(annotations)} if annotations else {}),
        **({"ownerReferences": [owner_reference(owned_by)]} if owned_by else {}),
    }


def mark(
    found: Object,
    ref: Ref,
    owned_by: Ref | None,
    settings: Settings,
    annotations: Mapping[str, str | None] | None = None,
) -> Plan:
    """What an object that is there lacks of our marks; an annotation of None is one that it should not have."""
    meta = found["metadata"]
    missing = changes(meta.get("labels") or {}, labels(settings))
    changed = changes(meta.get("annotations") or {}, annotations or {})
    owners = tuple(meta.get("ownerReferences") or ())
    orphan = owned_by is not None and all(each["uid"] != owned_by.uid for each in owners)
    if not (missing or changed or orphan):
        return ()
    if owned_by is None or not orphan:
        return (PatchMeta(ref, annotations=changed, labels=missing),)
    return (
        PatchMeta(
            ref,
            annotations=changed,
            labels=missing,
            owner_references=(*owners, _with(owners, owned_by)),
            resource_version=meta.get("resourceVersion", ""),
        ),
    )


def _with(owners: tuple[Object, ...], owned_by: Ref) -> Object:
    """An object has one controller: where there is one already, we are an owner beside it."""
    reference = owner_reference(owned_by)
    return {**reference, "controller": not any(each.get("controller") for each in owners)}
