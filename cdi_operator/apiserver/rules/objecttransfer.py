"""When an ObjectTransfer may be stored (spec 7.3). A refusal is one sentence, without causes."""

from __future__ import annotations

from cdi_operator.apiserver.rules.unchanged import same_spec
from cdi_operator.flows.actions import Object, Ref

DEPRECATED = "ObjectTransfer feature is deprecated, and will be deleted soon"
KINDS = {"DataVolume": "cdi.kubevirt.io/v1beta1", "PersistentVolumeClaim": "v1"}


def updated(transfer: Object, old: Object) -> str:
    """Why not; empty when it may."""
    return "" if same_spec(old["spec"], transfer["spec"]) else "ObjectTransfer spec is immutable"


def moves(transfer: Object) -> bool:
    """It says where to, and what it moves is something that can be moved."""
    spec = transfer["spec"]
    wanted = spec.get("target") or {}
    return bool(wanted.get("namespace") or wanted.get("name")) and spec["source"]["kind"] in KINDS


def created(transfer: Object, target_exists: bool) -> str:
    """Why not; empty when it may. `target_exists`: something has the place already that `target` names."""
    spec = transfer["spec"]
    wanted, kind = spec.get("target") or {}, spec["source"]["kind"]
    if not wanted.get("namespace") and not wanted.get("name"):
        return "Target namespace and/or target name must be supplied"
    if kind not in KINDS:
        return f'Unsupported kind "{kind}"'
    if target_exists:
        place = target(transfer)
        return f'ObjectTransfer target "{place.namespace}/{place.name}" already exists'
    return ""


def target(transfer: Object) -> Ref:
    """Where an object that `moves` is to go; what `target` does not say stays as it is."""
    source, wanted = transfer["spec"]["source"], transfer["spec"].get("target") or {}
    name, namespace = wanted.get("name") or source["name"], wanted.get("namespace") or source["namespace"]
    return Ref(KINDS[source["kind"]], source["kind"], name, namespace)
