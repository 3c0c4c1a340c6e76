"""The command `cdi-importer`: on a terminal with arguments, in a pod with a job in the environment.

Both do the same import. A pod lives for about a second, so modules are imported where they are needed and not before.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from importer_image.job import Job, Report
from importer_image.log import log
from importer_image.pipeline import Interrupted, run
from importer_image.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, PERMANENT, TRANSIENT, USAGE = 0, 1, 75, 2
TERMINATION_LOG = "/dev/termination-log"
ENDING = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    for number in ENDING:
        signal.signal(number, interrupt)
    if "CDI_JOB" in os.environ:
        return in_pod(os.environ["CDI_JOB"], os.environ.get("CDI_TERMINATION_LOG", TERMINATION_LOG))
    from importer_image.terminal import at_terminal

    return exit_code(at_terminal(sys.argv[1:] if arguments is None else arguments))


def in_pod(job_text: str, termination_log: str) -> int:
    """Exit code 0 also for a wrong checksum: the kubelet must not start that again (spec 3.7)."""
    from importer_image.display import shown
    from importer_image.metrics import serve_metrics

    try:
        job = Job.from_json(job_text)
    except ValueError as error:
        hand_over(Report(message=f"Unable to process data: CDI_JOB is {error}", error="permanent"), termination_log)
        return USAGE
    progress = Progress()
    if job.metrics_port:
        try:
            serve_metrics(job.metrics_port, job.owner_uid, progress.snapshot)
        except OSError as error:
            log("no metrics", port=job.metrics_port, error=str(error))
    with shown(progress):
        report = run(job, progress)
    ignore_signals()
    hand_over(report, termination_log)
    return DONE if report.error == "fatal" else exit_code(report)


def hand_over(report: Report, termination_log: str) -> None:
    text = report.to_json()
    log("report", report=text)
    try:
        with open(termination_log, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        log("cannot hand over the report", path=termination_log, error=str(error))


def exit_code(report: Report) -> int:
    return {"": DONE, "transient": TRANSIENT}.get(report.error, PERMANENT)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Only the first signal counts: what follows is orderly and short."""
    ignore_signals()
    raise Interrupted(signal.Signals(number).name)


def ignore_signals() -> None:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
