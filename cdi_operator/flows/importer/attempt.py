"""How a worker's last attempt ended, for `status.transfer`: in its own words, with its figures and a hint."""

from __future__ import annotations

from dataclasses import replace

from cdi_operator.api import reasons
from cdi_operator.flows.importer.words import OUT_OF_MEMORY, report, told
from cdi_operator.flows.seen import Worker
from cdi_operator.flows.transfer import DONE, NOTHING, Transfer
from importer_image.job import Report

NEVER_PULLED = ("InvalidImageName", "ErrImageNeverPull")
FAILURES = (reasons.ERROR, reasons.CHECKSUM_ERROR, reasons.IMAGE_PULL_FAILED)
HINTS = {
    reasons.IMAGE_PULL_FAILED: "The node cannot get the image of the worker: see the events of the pod.",
    OUT_OF_MEMORY: "Raise the memory limit in podResourceRequirements.",
}
"""By reason or message, for what no report explains."""


def attempt(worker: Worker) -> Transfer:
    """How its last attempt ended, and in the worker's own words; nothing of one that has not ended."""
    fate, found = told(replace(worker, running=False)), report(worker)
    if fate.reason == reasons.COMPLETED:
        return replace(measured(found), stage=DONE)
    if fate.reason not in FAILURES:
        return NOTHING
    own_words = fate.reason != reasons.IMAGE_PULL_FAILED and fate.message != OUT_OF_MEMORY
    message = found.message if own_words and found.message else fate.message
    for_good = found.error in ("permanent", "fatal") or fate.message == OUT_OF_MEMORY
    return replace(
        measured(found),
        message=message,
        hint=found.hint or HINTS.get(fate.message, HINTS.get(fate.reason, "")),
        error="Permanent" if for_good or worker.waiting_reason in NEVER_PULLED else "Transient",
    )


def measured(found: Report) -> Transfer:
    """The figures of a report."""
    moving_s = found.stage_seconds.get("transfer", 0.0)
    return Transfer(
        format=found.format,
        source_bytes=found.resumed_bytes + found.source_bytes,
        total_bytes=found.total_bytes,
        written_bytes=found.written_bytes,
        virtual_size_bytes=found.virtual_size_bytes,
        resumed_bytes=found.resumed_bytes,
        average_speed_bytes_per_second=round(found.source_bytes / moving_s) if moving_s else 0,
        stage_seconds={stage: f"{seconds:.2f}" for stage, seconds in found.stage_seconds.items()},
    )
