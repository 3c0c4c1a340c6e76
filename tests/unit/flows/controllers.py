"""The controllers of a cluster that ours live with, each as a function that lists what it could do next.

Only what matters to a claim: volumes are made, bound, lost and reclaimed; pods are placed, run and end.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object
from cdi_operator.flows.seen import controller, timestamp
from importer_image.job import Job
from tests.unit.flows.given import NS, ended, report, running, terminated, waiting
from tests.unit.flows.simulation import Move, Moves
from tests.unit.world import World

WRITTEN = "written"
"""Label of a volume with a disk on it: `whole`, or as it was at a checkpoint."""
THEIRS = {"apiGroup": "example.com", "kind": "Backup", "name": "monday"}
"""What `populator` fills claims from."""
WRONG = "md5:wrong"
"""A checksum that no disk has."""


def provisioner(world: World) -> Moves:
    """Makes volumes for claims without a data source; where a consumer is waited for, once a node was selected."""
    for claim in world.all("PersistentVolumeClaim"):
        spec, meta = claim["spec"], claim["metadata"]
        placed = names.SELECTED_NODE in (meta.get("annotations") or {})
        wanted = _pending(claim) and "dataSourceRef" not in spec and (placed or not _waits(world, claim))
        if wanted and not _has_volume(world, claim):
            yield f"provision {meta['name']}", partial(_provision, world, meta["name"], meta["uid"])


def _waits(world: World, claim: Object) -> bool:
    kind = world.get("StorageClass", claim["spec"]["storageClassName"])
    return kind is not None and kind["volumeBindingMode"] == "WaitForFirstConsumer"


def _provision(world: World, name: str, uid: str, labels: Any = None) -> None:
    reference = {"namespace": NS, "name": name, "uid": uid}
    spec = {"claimRef": reference, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    world.add({"kind": "PersistentVolume", "metadata": {"name": f"pv-{uid}", "labels": labels or {}}, "spec": spec})
    said = {"type": "Normal", "reason": "ProvisioningSucceeded", "message": "Successfully provisioned volume"}
    about = {"kind": "PersistentVolumeClaim", **reference}
    event = {"kind": "Event", "metadata": {"name": f"provisioned-{uid}", "namespace": NS}}
    world.add({**event, **said, "involvedObject": about, "lastTimestamp": timestamp(world.now)})


def populator(world: World) -> Moves:
    """Anybody's: fills claims that refer to its own kind of source, each on a volume that it then hands over."""
    for claim in world.all("PersistentVolumeClaim"):
        spec, meta = claim["spec"], claim["metadata"]
        asked = spec.get("dataSourceRef", {}).get("apiGroup") == THEIRS["apiGroup"]
        placed = names.SELECTED_NODE in (meta.get("annotations") or {})
        wanted = asked and _pending(claim) and (placed or not _waits(world, claim))
        if wanted and world.get("PersistentVolume", f"pv-{meta['uid']}") is None:
            yield f"populate {meta['name']}", partial(_provision, world, meta["name"], meta["uid"], {WRITTEN: "whole"})


def reserver(world: World) -> Moves:
    """The binder too: a volume that names a claim becomes that claim's when it comes."""
    for volume in world.all("PersistentVolume"):
        claim = world.get("PersistentVolumeClaim", _reserved_for(volume), NS)
        if claim is not None and _pending(claim):
            mine = edit(world, volume, spec={"claimRef": {"uid": claim["metadata"]["uid"]}}, status={"phase": "Bound"})
            yield "bind what was reserved", mine


def binder(world: World) -> Moves:
    """Claims and volumes find each other by claimRef, lose each other, and volumes go with their claims."""
    claims = {claim["metadata"]["uid"]: claim for claim in world.all("PersistentVolumeClaim")}
    owners = {}
    for volume in world.all("PersistentVolume"):
        name = volume["metadata"]["name"]
        if _reserved_for(volume):
            continue
        owners[name] = volume["spec"]["claimRef"]["uid"]
        claim = claims.get(owners[name])
        if claim is None:
            yield "reclaim", partial(world.delete, "PersistentVolume", name)
        elif _pending(claim):
            bound = edit(world, claim, spec={"volumeName": name}, status={"phase": "Bound"})
            yield f"bind {claim['metadata']['name']}", bound
    for uid, claim in claims.items():
        if _phase(claim) == "Bound" and owners.get(claim["spec"]["volumeName"]) != uid:
            yield f"lose {claim['metadata']['name']}", edit(world, claim, status={"phase": "Lost"})


def protection(world: World) -> Moves:
    """A claim that is to go stays as long as a pod uses it."""
    used = {_claim_name(pod) for pod in world.all("Pod") if _phase(pod) not in ("Succeeded", "Failed")}
    for claim in world.all("PersistentVolumeClaim"):
        if "deletionTimestamp" in claim["metadata"] and claim["metadata"]["name"] not in used:
            yield "unprotect", edit(world, claim, metadata={"finalizers": []})


def garbage_collector(world: World) -> Moves:
    """What was made for an owner that had gone goes too. (What is there when its owner goes, the world deletes.)"""
    for kind in ("PersistentVolumeClaim", "Pod", "VolumeImportSource"):
        for obj in world.all(kind):
            owner = controller(obj)
            alive = world.get(owner["kind"], owner["name"], NS) if owner else None
            orphan = owner and (alive is None or alive["metadata"]["uid"] != owner["uid"])
            if orphan and "deletionTimestamp" not in obj["metadata"]:
                yield "collect", partial(world.delete, kind, obj["metadata"]["name"], NS)


def scheduler(world: World) -> Moves:
    """Places pods; a claim that waits for a consumer learns the node first."""
    for pod in world.all("Pod"):
        claim = world.get("PersistentVolumeClaim", _claim_name(pod), NS)
        if pod["spec"].get("nodeName") or claim is None:
            continue
        if _phase(claim) == "Bound":
            yield "place a pod", edit(world, pod, spec={"nodeName": "node-1"})
        elif names.SELECTED_NODE not in claim["metadata"]["annotations"]:
            yield select_node(world, claim)


def select_node(world: World, claim: Object) -> tuple[str, Move]:
    note = edit(world, claim, metadata={"annotations": {names.SELECTED_NODE: "node-1"}})
    return f"select a node for {claim['metadata']['name']}", note


def kubelet(world: World) -> Moves:
    """Runs pods whose claim is bound, restarts their container, lets them end, takes deleted ones away."""
    for pod in world.all("Pod"):
        claim = world.get("PersistentVolumeClaim", _claim_name(pod), NS)
        (status,) = (pod.get("status") or {}).get("containerStatuses") or [{}]
        if "deletionTimestamp" in pod["metadata"]:
            yield "end a pod", edit(world, pod, metadata={"finalizers": []})
        elif not pod["spec"].get("nodeName") or claim is None or _phase(claim) != "Bound":
            continue
        elif _phase(pod) == "Pending" and not status:
            yield "prepare", edit(world, pod, status={"containerStatuses": [waiting("ContainerCreating")]})
        elif _phase(pod) == "Pending" or "waiting" in status.get("state", {}):
            again = running(status.get("restartCount", 0))
            yield "run", edit(world, pod, status={"phase": "Running", "containerStatuses": [again]})
        elif _phase(pod) == "Running":
            yield "write the disk", partial(_finish, world, pod, claim)


def _finish(world: World, pod: Object, claim: Object) -> None:
    said = report()
    if _job(pod).source.checksum == WRONG:
        said = report("Unable to process data: checksum validation failed", error="fatal")
    elif volume := world.get("PersistentVolume", claim["spec"]["volumeName"]):
        assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"], "written to after it was handed over"
        source = _job(pod).source
        there = volume["metadata"].get("labels", {}).get(WRITTEN, "")
        disk = source.current_checkpoint or "whole"
        assert there in (source.previous_checkpoint, disk), f"{disk!r} is written over {there!r}"
        told_done = claim["metadata"]["annotations"].get(names.POD_PHASE) == "Succeeded"
        assert source.current_checkpoint or not told_done, "written to when a machine may have it"
        edit(world, volume, metadata={"labels": {WRITTEN: disk}})()
    edit(world, pod, status={"phase": "Succeeded", "containerStatuses": [terminated(message=said)]})()


def _job(pod: Object) -> Job:
    return Job.from_json(pod["spec"]["containers"][0]["env"][0]["value"])


def crash(world: World, pod: Object) -> Move:
    """The worker fails, and its kubelet restarts it after a while."""
    (status,) = pod["status"]["containerStatuses"]
    failed = ended(1, "Unable to connect to http data source: refused")
    return edit(
        world,
        pod,
        status={"containerStatuses": [waiting("CrashLoopBackOff", "", status["restartCount"] + 1, failed)]},
    )


CONTROLLERS = (provisioner, populator, reserver, binder, protection, garbage_collector, scheduler, kubelet)


def edit(world: World, obj: Object, **patch: Any) -> Move:
    meta = obj["metadata"]
    return partial(world.edit, obj["kind"], meta["name"], patch, meta.get("namespace", ""))


def _phase(obj: Object) -> str:
    return str((obj.get("status") or {}).get("phase", "Pending"))


def _pending(claim: Object) -> bool:
    return _phase(claim) == "Pending" and "deletionTimestamp" not in claim["metadata"]


def _has_volume(world: World, claim: Object) -> bool:
    """A volume is the claim's, or waits for it."""
    name, uid = claim["metadata"]["name"], claim["metadata"]["uid"]
    references = (volume["spec"]["claimRef"] for volume in world.all("PersistentVolume"))
    return any(each["name"] == name and each.get("uid", uid) == uid for each in references)


def _reserved_for(volume: Object) -> str:
    """Name of the claim that a volume waits for; empty once it has one."""
    reference = volume["spec"]["claimRef"]
    return "" if "uid" in reference else str(reference["name"])


def _claim_name(pod: Object) -> str:
    volumes = (volume for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume)
    return str(next(volumes)["persistentVolumeClaim"]["claimName"])
