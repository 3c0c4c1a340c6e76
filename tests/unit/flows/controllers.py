"""The controllers of a cluster that ours live with, each as a function that lists what it could do next.

Only what matters to a claim: volumes are made, bound, lost and reclaimed; pods are placed, run and end.
"""

from __future__ import annotations

from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object
from cdi_operator.flows.seen import timestamp
from tests.unit.flows.given import NS, ended, report, running, terminated, waiting
from tests.unit.flows.simulation import Moves
from tests.unit.world import World

WRITTEN = "written"
"""Label of a volume with the whole disk on it."""


def provisioner(world: World) -> Moves:
    """Makes volumes for claims without a data source; where a consumer is waited for, once a node was selected."""
    for claim in world.all("PersistentVolumeClaim"):
        spec, meta = claim["spec"], claim["metadata"]
        waits = world.get("StorageClass", spec["storageClassName"])["volumeBindingMode"] == "WaitForFirstConsumer"
        placed = names.SELECTED_NODE in (meta.get("annotations") or {})
        wanted = _pending(claim) and "dataSourceRef" not in spec and (placed or not waits)
        if wanted and world.get("PersistentVolume", f"pv-{meta['uid']}") is None:
            reference = {"namespace": NS, "name": meta["name"], "uid": meta["uid"]}
            yield f"provision {meta['name']}", lambda meta=meta, reference=reference: _provision(world, meta, reference)


def _provision(world: World, meta: Any, reference: Any) -> None:
    spec = {"claimRef": reference, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    world.add({"kind": "PersistentVolume", "metadata": {"name": f"pv-{meta['uid']}"}, "spec": spec})
    said = {"type": "Normal", "reason": "ProvisioningSucceeded", "message": "Successfully provisioned volume"}
    about = {"kind": "PersistentVolumeClaim", **reference}
    event = {"kind": "Event", "metadata": {"name": f"provisioned-{meta['uid']}", "namespace": NS}}
    world.add({**event, **said, "involvedObject": about, "lastTimestamp": timestamp(world.now)})


def binder(world: World) -> Moves:
    """Claims and volumes find each other by claimRef, lose each other, and volumes go with their claims."""
    claims = {claim["metadata"]["uid"]: claim for claim in world.all("PersistentVolumeClaim")}
    volumes = {volume["metadata"]["name"]: volume for volume in world.all("PersistentVolume")}
    for volume in volumes.values():
        claim = claims.get(volume["spec"]["claimRef"]["uid"])
        if claim is None:
            yield "reclaim", lambda name=volume["metadata"]["name"]: world.delete("PersistentVolume", name)
        elif _pending(claim):
            bound = {"spec": {"volumeName": volume["metadata"]["name"]}, "status": {"phase": "Bound"}}
            yield f"bind {claim['metadata']['name']}", lambda claim=claim, bound=bound: _edit(world, claim, bound)
    for uid, claim in claims.items():
        volume = volumes.get(claim["spec"].get("volumeName", ""))
        if _phase(claim) == "Bound" and (volume is None or volume["spec"]["claimRef"]["uid"] != uid):
            yield (
                f"lose {claim['metadata']['name']}",
                lambda claim=claim: _edit(world, claim, {"status": {"phase": "Lost"}}),
            )


def protection(world: World) -> Moves:
    """A claim that is to go stays as long as a pod uses it."""
    used = {_claim_name(pod) for pod in world.all("Pod") if _phase(pod) not in ("Succeeded", "Failed")}
    for claim in world.all("PersistentVolumeClaim"):
        if "deletionTimestamp" in claim["metadata"] and claim["metadata"]["name"] not in used:
            yield "unprotect", lambda claim=claim: _edit(world, claim, {"metadata": {"finalizers": []}})


def garbage_collector(world: World) -> Moves:
    """What is made for an owner that is gone already goes too; what is owned when the owner goes, the world deletes."""
    for kind in ("PersistentVolumeClaim", "Pod", "VolumeImportSource"):
        for obj in world.all(kind):
            owners = obj["metadata"].get("ownerReferences", ())
            alive = (world.get(each["kind"], each["name"], NS) for each in owners)
            orphan = owners and not any(found and found["metadata"]["uid"] == owners[0]["uid"] for found in alive)
            if orphan and "deletionTimestamp" not in obj["metadata"]:
                yield "collect", lambda kind=kind, name=obj["metadata"]["name"]: world.delete(kind, name, NS)


def scheduler(world: World) -> Moves:
    """Places pods; a claim that waits for a consumer learns the node first."""
    for pod in world.all("Pod"):
        claim = world.get("PersistentVolumeClaim", _claim_name(pod), NS)
        if pod["spec"].get("nodeName") or claim is None:
            continue
        notes = claim["metadata"].get("annotations") or {}
        if _phase(claim) == "Bound":
            yield "place a pod", lambda pod=pod: _edit(world, pod, {"spec": {"nodeName": "node-1"}})
        elif names.SELECTED_NODE not in notes:
            yield from select_node(world, claim)


def select_node(world: World, claim: Object) -> Moves:
    note = {"metadata": {"annotations": {names.SELECTED_NODE: "node-1"}}}
    yield f"select a node for {claim['metadata']['name']}", lambda: _edit(world, claim, note)


def kubelet(world: World) -> Moves:
    """Runs pods whose claim is bound, restarts their container, lets them end, takes deleted ones away."""
    for pod in world.all("Pod"):
        claim = world.get("PersistentVolumeClaim", _claim_name(pod), NS)
        if "deletionTimestamp" in pod["metadata"]:
            yield "end a pod", lambda pod=pod: _edit(world, pod, {"metadata": {"finalizers": []}})
        elif pod["spec"].get("nodeName") and claim is not None and _phase(claim) == "Bound":
            yield from _next_of(world, pod, claim)


def _next_of(world: World, pod: Object, claim: Object) -> Moves:
    (status,) = (pod.get("status") or {}).get("containerStatuses") or [{}]
    if _phase(pod) == "Pending" or "waiting" in status.get("state", {}):
        shown = running(status.get("restartCount", 0))
        yield "run", lambda: _edit(world, pod, {"status": {"phase": "Running", "containerStatuses": [shown]}})
    elif _phase(pod) == "Running":
        yield "write the disk", lambda: _finish(world, pod, claim)


def _finish(world: World, pod: Object, claim: Object) -> None:
    volume = world.get("PersistentVolume", claim["spec"]["volumeName"])
    assert volume is None or volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"], (
        "two claims write one volume"
    )
    if volume is not None:
        _edit(world, volume, {"metadata": {"labels": {WRITTEN: "whole"}}})
    _edit(world, pod, {"status": {"phase": "Succeeded", "containerStatuses": [terminated(message=report())]}})


def crash(world: World, pod: Object) -> None:
    (status,) = pod["status"]["containerStatuses"]
    shown = waiting("CrashLoopBackOff", "", status["restartCount"] + 1, ended(1, "Unable to connect: refused"))
    _edit(world, pod, {"status": {"containerStatuses": [shown]}})


CONTROLLERS = (provisioner, binder, protection, garbage_collector, scheduler, kubelet)


def _edit(world: World, obj: Object, patch: Any) -> None:
    meta = obj["metadata"]
    world.edit(obj["kind"], meta["name"], patch, meta.get("namespace", ""))


def _phase(obj: Object) -> str:
    return str((obj.get("status") or {}).get("phase", "Pending"))


def _pending(claim: Object) -> bool:
    return _phase(claim) == "Pending" and "deletionTimestamp" not in claim["metadata"]


def _claim_name(pod: Object) -> str:
    volumes = (volume for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume)
    return str(next(volumes)["persistentVolumeClaim"]["claimName"])
