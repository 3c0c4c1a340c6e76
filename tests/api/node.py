"""What a node, a provisioner and the binder do to claims and pods, done by hand where none of them runs."""

from __future__ import annotations

from typing import Any

from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object, Ref
from importer_image.job import IMPORT_COMPLETE, Report
from tests.api.objects import CLAIM


async def provision(client: Client, claim: Object) -> None:
    """A volume of its own for a claim, bound to it."""
    meta, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    await client.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": spec["resources"]["requests"],
                "accessModes": spec["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": spec["storageClassName"],
                "volumeMode": spec.get("volumeMode", "Filesystem"),
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": CLAIM,
                    "namespace": meta["namespace"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                },
                "csi": {"driver": "csi.tests.example.com", "volumeHandle": name},
            },
        }
    )
    await bind(client, claim, name)


async def bind(client: Client, claim: Object, volume: str) -> None:
    ref, spec = Ref.of(claim), claim["spec"]
    capacity = spec["resources"]["requests"]
    bound = {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": capacity}
    # The scheduler looks for that note before it takes a claim for bound.
    done = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    await client.patch(ref, {"metadata": done, "spec": {"volumeName": volume}})
    await client.patch(ref, {"status": bound}, subresource="status")
    await client.patch(Ref("v1", "PersistentVolume", volume), {"status": {"phase": "Bound"}}, subresource="status")


async def lose(client: Client, claim: Object) -> None:
    """The claim's volume was given to another."""
    await client.patch(Ref.of(claim), {"status": {"phase": "Lost"}}, subresource="status")


async def run(client: Client, pod: Object, *, address: str = "") -> None:
    """`address`: where the controller may ask a worker how far it is; without, it does not ask."""
    state = {"running": {"startedAt": "2025-06-01T12:00:00Z"}}
    more = {"podIP": address} if address else {}
    await _status(client, pod, "Running", {"state": state, "ready": True}, **more)


async def succeed(client: Client, pod: Object) -> None:
    report = Report(message=IMPORT_COMPLETE, virtual_size_bytes=1 << 30)
    await end(client, pod, "Succeeded", 0, report.to_json())


async def end(client: Client, pod: Object, phase: str, exit_code: int, message: str) -> None:
    await _status(client, pod, phase, {"state": {"terminated": _ended(exit_code, message)}, "ready": False})


async def crash(client: Client, pod: Object, message: str, restarts: int) -> None:
    """The worker has failed, and waits to be started again."""
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": _ended(1, message)}
    await _status(client, pod, "Running", {"state": state, "lastState": last, "ready": False, "restartCount": restarts})


async def run_again(client: Client, pod: Object, message: str, restarts: int) -> None:
    state = {"running": {"startedAt": "2025-06-01T12:00:15Z"}}
    last = {"terminated": _ended(1, message)}
    await _status(client, pod, "Running", {"state": state, "lastState": last, "ready": True, "restartCount": restarts})


def _ended(exit_code: int, message: str) -> dict[str, Any]:
    return {
        "exitCode": exit_code,
        "message": message,
        "startedAt": "2025-06-01T12:00:00Z",
        "finishedAt": "2025-06-01T12:00:05Z",
    }


async def _status(client: Client, pod: Object, phase: str, container: dict[str, Any], **more: str) -> None:
    about = pod["spec"]["containers"][0]
    status = {"name": about["name"], "image": about["image"], "imageID": "", "restartCount": 0, **container}
    await client.patch(
        Ref.of(pod), {"status": {"phase": phase, "containerStatuses": [status], **more}}, subresource="status"
    )
