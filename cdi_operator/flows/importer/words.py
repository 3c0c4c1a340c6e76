"""What a worker pod's status says, in the words that clients read on the DataVolume (spec 2.3, 2.4, 3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdi_operator.flows.seen import Worker
from importer_image.job import Report

TOO_SMALL = "DataVolume too small to contain image"
SIGNS_OF_TOO_SMALL = (
    "is larger than the reported available",
    "no space left on device",
    "file largest block is bigger than maxblock",
    "disk quota exceeded",
)
PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True)
class Fate:
    """How far a worker is. `phase` is the pod phase that clients are shown, not always the pod's own."""

    phase: str
    reason: str
    message: str
    fatal: bool = False
    preallocated: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


def told(worker: Worker) -> Fate:
    if worker.phase == "Succeeded":
        return ended(worker)
    if worker.running:
        return Fate(worker.phase, "Pod is running", "")
    if worker.waiting_reason in PULL_FAILURES:
        return Fate(worker.phase, "ImagePullFailed", f"failed to pull image: {worker.image}")
    if worker.last_words:
        return Fate(worker.phase, "Error", simplified(report(worker).message))
    if not worker.schedulable:
        return Fate(worker.phase, "Unschedulable", "Importer pod cannot be scheduled")
    if worker.exit_code is not None:
        return Fate(worker.phase, "Error", f"the importer ended with exit code {worker.exit_code}")
    return Fate(worker.phase, worker.waiting_reason, worker.waiting_message)


def ended(worker: Worker) -> Fate:
    """The container exited 0: the disk is there, or is known never to come (a wrong checksum)."""
    said = report(worker)
    if said.error:
        reason = "ChecksumError" if "checksum" in said.message else "Error"
        return Fate("Failed", reason, simplified(said.message), fatal=True)
    return Fate("Succeeded", "Completed", said.message, preallocated=said.preallocation_applied, labels=said.labels)


def report(worker: Worker) -> Report:
    """The worker's report; of a worker that died without one, its last log lines as the message."""
    try:
        return Report.from_json(worker.last_words)
    except ValueError:
        return Report(message=worker.last_words)


def simplified(message: str) -> str:
    """Spec 2.4: the many ways to say that the volume is too small become one."""
    return TOO_SMALL if any(sign in message for sign in SIGNS_OF_TOO_SMALL) else message
