"""Core objects as the flows see them: the few fields that decisions are made on, out of a claim's or a pod's JSON.

A claim is a PersistentVolumeClaim, a volume a PersistentVolume, a worker the pod that moves the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.storage.quantity import parse_quantity

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is empty."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""By so much, the clocks of a cluster's machines may."""


@dataclass(frozen=True)
class Claim:
    ref: Ref
    resource_version: str
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    phase: str
    owner_uid: str
    """uid of the controlling owner, empty when nobody controls it."""
    deleting: bool
    owners: tuple[Object, ...] = ()
    """All its owner references."""
    created_at: str = ""

    @property
    def name(self) -> str:
        return self.ref.name

    @property
    def bound(self) -> bool:
        return self.phase == "Bound"

    @property
    def block(self) -> bool:
        return bool(self.spec.get("volumeMode") == "Block")

    @property
    def storage_class(self) -> str:
        return str(self.spec.get("storageClassName") or "")

    @property
    def volume_name(self) -> str:
        return str(self.spec.get("volumeName") or "")

    @property
    def requested_bytes(self) -> int:
        return parse_quantity(self.spec.get("resources", {}).get("requests", {}).get("storage", "0"))

    @property
    def restarts(self) -> int:
        """Of its workers, as far as they were counted; 0 for text that is no number."""
        counted = self.annotations.get(names.POD_RESTARTS, "")
        return int(counted) if counted.isdecimal() else 0

    @property
    def finished(self) -> bool:
        """The worker is done with it, and no further checkpoint is to come."""
        stages = names.CHECKPOINT_CURRENT in self.annotations and names.CHECKPOINT_DONE not in self.annotations
        return self.annotations.get(names.POD_PHASE) == "Succeeded" and not stages


def claim(obj: Object | None) -> Claim | None:
    if obj is None:
        return None
    meta = obj["metadata"]
    owner = controller(obj) or {}
    return Claim(
        ref=Ref.of({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **obj}),
        resource_version=meta.get("resourceVersion", ""),
        annotations=meta.get("annotations") or {},
        labels=meta.get("labels") or {},
        spec=obj.get("spec") or {},
        phase=(obj.get("status") or {}).get("phase", "Pending"),
        owner_uid=owner.get("uid", ""),
        deleting="deletionTimestamp" in meta,
        owners=tuple(meta.get("ownerReferences") or ()),
        created_at=meta.get("creationTimestamp", ""),
    )


def controller(obj: Object) -> Object | None:
    """The owner reference that has `controller: true`."""
    return next((owner for owner in obj["metadata"].get("ownerReferences") or () if owner.get("controller")), None)


def uses(pod: Object, claim_name: str) -> bool:
    """Whether a pod has the claim among its volumes."""
    volumes = pod["spec"].get("volumes") or ()
    return any((each.get("persistentVolumeClaim") or {}).get("claimName") == claim_name for each in volumes)


@dataclass(frozen=True)
class StorageClass:
    name: str
    provisioner: str
    waits_for_consumer: bool
    has_driver: bool
    """A CSIDriver object of the name of the provisioner, or of the driver that does its work now, exists."""
    migrated: bool = False
    """The cluster has given this claim of the class to the CSI driver that replaces the provisioner inside it."""

    @property
    def in_tree(self) -> bool:
        """Its provisioner is inside Kubernetes itself and knows nothing of populators (spec 4.2 step 1)."""
        return self.provisioner.startswith("kubernetes.io/") and not self.migrated


@dataclass(frozen=True)
class Worker:
    """A pod that fills a claim, as far as its first container tells, or what that has to wait for."""

    ref: Ref
    created_at: datetime
    phase: str
    reason: str
    """Why the pod as a whole is in its phase: Evicted, OutOfcpu, NodeShutdown. Mostly empty."""
    message: str
    restarts: int
    ready: bool
    deleting: bool
    schedulable: bool
    running: bool
    container: str
    """The one of which the following tells."""
    waiting_reason: str
    waiting_message: str
    last_words: str
    """Its termination message, of the last time that it ended."""
    exit_code: int | None
    ended_reason: str
    """Why it ended: Completed, Error, OOMKilled."""
    image: str
    pulled_image: str
    """The image that it has mounted; mostly none."""
    config_maps: frozenset[str]
    """Names of those that it mounts."""
    node: str
    nudges: int
    """How often it was touched to wake its kubelet."""

    @property
    def over(self) -> bool:
        """Nothing runs in it any more, nor ever will."""
        return self.phase in ("Succeeded", "Failed")


def worker(obj: Object | None) -> Worker | None:
    if obj is None:
        return None
    status = obj.get("status") or {}
    first: Mapping[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    running = "running" in (first.get("state") or {})
    told = _held_up_by(status) or first
    state = told.get("state") or {}
    ended = state.get("terminated") or (told.get("lastState") or {}).get("terminated") or {}
    waiting = state.get("waiting") or {}
    conditions = status.get("conditions") or ()
    volumes = obj["spec"].get("volumes") or ()
    return Worker(
        ref=Ref.of({"apiVersion": "v1", "kind": "Pod", **obj}),
        created_at=moment(obj["metadata"].get("creationTimestamp")),
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        restarts=first.get("restartCount", 0),
        ready=bool(first.get("ready")),
        deleting="deletionTimestamp" in obj["metadata"],
        schedulable=not any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions),
        running=running,
        container=told.get("name", "importer"),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        last_words=ended.get("message", ""),
        exit_code=ended.get("exitCode"),
        ended_reason=ended.get("reason", ""),
        image=told.get("image") or obj["spec"]["containers"][0]["image"],
        pulled_image=next((volume["image"]["reference"] for volume in volumes if "image" in volume), ""),
        config_maps=frozenset(volume["configMap"]["name"] for volume in volumes if "configMap" in volume),
        node=obj.get("spec", {}).get("nodeName", ""),
        nudges=int((obj["metadata"].get("annotations") or {}).get(names.POD_NUDGED, 0)),
    )


def _held_up_by(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The container that has to end before the first one starts, and does not get that far."""
    for each in status.get("initContainerStatuses") or ():
        state = each.get("state") or {}
        if "running" in state or (state.get("terminated") or {}).get("exitCode") == 0:
            continue
        waits = (state.get("waiting") or {}).get("reason", "PodInitializing")
        return None if waits == "PodInitializing" and "terminated" not in state else each
    return None


@dataclass(frozen=True)
class Happening:
    """An event that somebody else reported about an object."""

    reason: str
    message: str
    type: Literal["Normal", "Warning"]


def happenings(events: Iterable[Object]) -> tuple[Happening, ...]:
    """Events, the newest first; those of the same second in the order of their names, which mostly end in a time."""
    newest_first = sorted(events, key=lambda event: (last_seen(event), event["metadata"]["name"]), reverse=True)
    return tuple(
        Happening(
            event.get("reason", ""),
            event.get("message", ""),
            "Warning" if event.get("type") == "Warning" else "Normal",
        )
        for event in newest_first
    )


def last_seen(event: Object) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    stamp = series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(stamp or "")


def affirmed(text: str | None) -> bool:
    """An annotation that says yes, spelt in any of the ways that the reference takes for it."""
    return text in ("1", "t", "T", "true", "True", "TRUE")


def timestamp(now: datetime) -> str:
    """As Kubernetes writes it: RFC 3339 in whole seconds, UTC."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(stamp: Any) -> datetime:
    """What `timestamp` wrote; the epoch for an object that has no time yet."""
    return datetime.fromisoformat(stamp) if stamp else datetime.fromtimestamp(0, UTC)


def owner_reference(ref: Ref) -> dict[str, Any]:
    """Makes `ref` the controlling owner: what it owns goes when it goes."""
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "name": ref.name,
        "uid": ref.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def remaining_s(since: datetime, patience: timedelta, now: datetime) -> float:
    """Seconds until something that was made at `since`, by the API server's clock, has had its time; 0 when it has, and
    when our clock is so far behind that waiting for it would take who knows how long.
    """
    left = since + patience - now
    return left.total_seconds() if timedelta() < left <= patience + CLOCKS_DIFFER else 0.0
