"""The objects of Kubernetes that the local provisioner reads and writes, as plain JSON in and out. Pure."""

from collections.abc import Iterable
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from devcluster.csi.local_plan import VOLUME_ANNOTATION, Claim, Class, Provision, Volume

Json = dict[str, Any]


def class_of(body: Json) -> Class:
    return Class(
        name=body["metadata"]["name"],
        provisioner=body["provisioner"],
        waits=body.get("volumeBindingMode") == "WaitForFirstConsumer",
        reclaim_policy=body.get("reclaimPolicy", "Delete"),
    )


def claim_of(body: Json) -> Claim:
    metadata, spec = body["metadata"], body["spec"]
    source = spec.get("dataSourceRef") or spec.get("dataSource") or {}
    return Claim(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        storage_class=spec.get("storageClassName", ""),
        annotations=metadata.get("annotations", {}),
        size_bytes=int(parse_quantity(spec["resources"]["requests"]["storage"])),
        block=spec.get("volumeMode") == "Block",
        access_modes=tuple(spec["accessModes"]),
        source=source.get("kind", ""),
        has_selector=bool(spec.get("selector")),
        volume=spec.get("volumeName", ""),
        deleting="deletionTimestamp" in metadata,
    )


def volume_of(body: Json) -> Volume:
    return Volume(
        name=body["metadata"]["name"],
        annotations=body["metadata"].get("annotations", {}),
        phase=body.get("status", {}).get("phase", ""),
        reclaim_policy=body["spec"].get("persistentVolumeReclaimPolicy", "Retain"),
    )


def node_that_booted(nodes: Iterable[Json], boot_id: str) -> str | None:
    """The name of the node that runs on the machine with this boot id: the kubelet reports it."""
    for node in nodes:
        if node["status"]["nodeInfo"]["bootID"] == boot_id:
            return str(node["metadata"]["name"])
    return None


def volume_body(action: Provision, provisioner: str, node: str, path: str, size_bytes: int) -> Json:
    """The PersistentVolume that binds to the claim of `action`."""
    claim = action.claim
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": claim.future_volume, "annotations": {VOLUME_ANNOTATION: provisioner}},
        "spec": {
            "capacity": {"storage": f"{size_bytes >> 20}Mi"},
            "volumeMode": "Block" if claim.block else "Filesystem",
            "accessModes": list(claim.access_modes),
            "storageClassName": claim.storage_class,
            "persistentVolumeReclaimPolicy": action.storage_class.reclaim_policy,
            "claimRef": _reference(claim),
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [_on(node)]}]}},
        },
    }


def event_body(claim: Claim, provisioner: str, kind: str, reason: str, message: str, now: str) -> Json:
    """An event of the claim; `kind` is Normal or Warning, `now` RFC 3339."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{claim.name}.", "namespace": claim.namespace},
        "involvedObject": _reference(claim),
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": provisioner},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _reference(claim: Claim) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": claim.namespace,
        "name": claim.name,
        "uid": claim.uid,
    }


def _on(node: str) -> Json:
    return {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
