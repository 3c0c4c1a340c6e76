"""What a worker pod's status says, in the words that clients read on the DataVolume (spec 2.3, 2.4, 3.7)."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdi_operator.api import annotations as names
from cdi_operator.api import reasons
from cdi_operator.flows.seen import Worker
from importer_image.job import IMPORT_COMPLETE, Report

TOO_SMALL = "DataVolume too small to contain image"
SIGNS_OF_TOO_SMALL = (
    "is larger than the reported available",
    "no space left on device",
    "file largest block is bigger than maxblock",
    "disk quota exceeded",
)
OUT_OF_MEMORY = "OOMKilled: the importer needs more memory than its limit allows (podResourceRequirements of the CDI)"
OF_LIBRARY = {"Version": names.VDDK_VERSION, "Host": names.VDDK_HOST}
SIGNALLED = 128
"""An exit code above is that of a process that a signal has ended: this and the signal's number."""
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
    library: Mapping[str, str] = field(default_factory=dict)
    """Annotations with what VMware's library said of itself and of the host."""


def told(worker: Worker) -> Fate:
    if worker.running:
        return Fate(worker.phase, reasons.POD_RUNNING, "")
    if worker.phase == "Succeeded" or worker.exit_code == 0:
        return ended(worker)
    if worker.waiting_reason in PULL_FAILURES:
        return Fate(worker.phase, reasons.IMAGE_PULL_FAILED, f"failed to pull image: {image_in_question(worker)}")
    if worker.ended_reason == "OOMKilled":
        return Fate(worker.phase, reasons.ERROR, OUT_OF_MEMORY)
    if worker.last_words:
        return Fate(worker.phase, reasons.ERROR, simplified(report(worker).message))
    if not worker.schedulable:
        return Fate(worker.phase, reasons.UNSCHEDULABLE, "Importer pod cannot be scheduled")
    if worker.reason:
        return Fate(worker.phase, reasons.ERROR, f"{worker.reason}: {worker.message}".rstrip(": "))
    if worker.exit_code is not None:
        return Fate(worker.phase, reasons.ERROR, end_of(worker))
    return Fate(worker.phase, worker.waiting_reason, worker.waiting_message)


def ended(worker: Worker) -> Fate:
    """The container exited 0: the disk is there, or is known never to come (a wrong checksum).

    That counts even before the pod's phase says so: another container, put in by a service mesh, may never end.
    """
    said = report(worker)
    if said.error:
        reason = reasons.CHECKSUM_ERROR if "checksum" in said.message else reasons.ERROR
        return Fate("Failed", reason, simplified(said.message), fatal=True)
    if said.scratch_space_required:
        return Fate("Failed", reasons.SCRATCH_SPACE_REQUIRED, "scratch space required and none found")
    return Fate(
        "Succeeded",
        reasons.COMPLETED,
        said.message or IMPORT_COMPLETE,
        preallocated=said.preallocation_applied,
        labels=said.labels,
        library={note: said.vddk_info[key] for key, note in OF_LIBRARY.items() if said.vddk_info.get(key)},
    )


def end_of(worker: Worker) -> str:
    """Of a worker that has not said itself why it ended."""
    code = worker.exit_code or 0
    name = next((f" ({each.name})" for each in signal.Signals if each == code - SIGNALLED), "")
    after = f", after: {worker.last_words.splitlines()[-1]}" if worker.last_words else ""
    return f"the {worker.container} ended with exit code {code}{name}{after}"


def image_in_question(worker: Worker) -> str:
    """The kubelet gives one reason for the container's own image and for one that it shall mount."""
    its_own = not worker.pulled_image or worker.image in worker.waiting_message
    return worker.image if its_own else worker.pulled_image


def report(worker: Worker) -> Report:
    """The worker's report; of a worker that died without one, its last log lines as the message.

    When a signal has ended it, those do not say why.
    """
    try:
        return Report.from_json(worker.last_words)
    except ValueError:
        by_signal = worker.last_words and (worker.exit_code or 0) > SIGNALLED
        return Report(message=end_of(worker) if by_signal else worker.last_words)


def simplified(message: str) -> str:
    """Spec 2.4: the many ways to say that the volume is too small become one."""
    return TOO_SMALL if any(sign in message for sign in SIGNS_OF_TOO_SMALL) else message
