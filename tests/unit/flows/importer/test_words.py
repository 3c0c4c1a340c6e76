"""A worker pod's status, and the words for it (spec 2.3, 2.4, 3.7; literal texts 1.2, 1.3)."""

from typing import Any

import pytest

from cdi_operator.flows.importer.attempt import attempt
from cdi_operator.flows.importer.words import OUT_OF_MEMORY, TOO_SMALL, simplified, told
from cdi_operator.flows.seen import worker
from cdi_operator.flows.transfer import NOTHING, Transfer
from tests.unit.flows.given import RUNNING, UNSCHEDULABLE, ended, having, pod, report, running, terminated, waiting

REFUSED = "Unable to connect to http data source: connection refused"
MISMATCH = "Unable to process data: checksum validation failed: wanted a, got b"
NO_PULL = "failed to pull image: importer:1"
NOT_PLACED = "Importer pod cannot be scheduled"
NO_SCRATCH = report("", scratch_space_required=True)
DONE = ("Succeeded", "Completed", "Import Complete")
EVICTED = {"reason": "Evicted", "message": "The node was low on resource: memory."}


NO_DISK = ("Pending", "ImagePullFailed", "failed to pull image: r.example.com/disk:1")


def pulling(reason, message):
    mounted = [{"name": "cdi-image-vol", "image": {"reference": "r.example.com/disk:1"}}]
    return pod("Pending", waiting(reason, message), spec={"volumes": mounted})


def crashed(code=1, message="", reason=""):
    return pod("Running", waiting("CrashLoopBackOff", "back-off 10s", 2, ended(code, message, reason)))


def behind(container):
    """Its first container waits for that one."""
    before = {"name": "vddk-side-car", "image": "vddk:8", **container}
    return having(pod("Pending", waiting("PodInitializing")), status={"initContainerStatuses": [before]})


def exited(message):
    return pod("Succeeded", terminated(message=message))


KILLED = "the importer ended with exit code 137 (SIGKILL), after: progress percent=26"


@pytest.mark.parametrize(
    ("seen", "phase", "reason", "message"),
    [
        # on its way
        (pod(), "Pending", "", ""),
        (pod("Pending", waiting("ContainerCreating")), "Pending", "ContainerCreating", ""),
        (pod("Pending", waiting("CreateContainerError", "why")), "Pending", "CreateContainerError", "why"),
        (having(pod(), status=UNSCHEDULABLE), "Pending", "Unschedulable", NOT_PLACED),
        (pod("Pending", waiting("ErrImagePull", "long story")), "Pending", "ImagePullFailed", NO_PULL),
        (pod("Pending", waiting("ImagePullBackOff")), "Pending", "ImagePullFailed", NO_PULL),
        (pod("Pending", waiting("InvalidImageName")), "Pending", "ImagePullFailed", NO_PULL),
        (pod("Pending", waiting("ErrImageNeverPull")), "Pending", "ImagePullFailed", NO_PULL),
        # the kubelet tells of the image to be mounted as of the container's own
        (pulling("ErrImagePull", 'failed to pull and unpack image "r.example.com/disk:1": not found'), *NO_DISK),
        (pulling("ImagePullBackOff", 'Back-off pulling image "r.example.com/disk:1"'), *NO_DISK),
        (pulling("ErrImagePull", ""), *NO_DISK),
        (pulling("ErrImagePull", 'Back-off pulling image "importer:1"'), "Pending", "ImagePullFailed", NO_PULL),
        # on its way, behind another container
        (behind(running()), "Pending", "PodInitializing", ""),
        (behind(waiting("PodInitializing")), "Pending", "PodInitializing", ""),
        (behind(terminated(0)), "Pending", "PodInitializing", ""),
        (behind(waiting("ImagePullBackOff")), "Pending", "ImagePullFailed", "failed to pull image: vddk:8"),
        (behind(terminated(1, "no library")), "Pending", "Error", "no library"),
        (behind(waiting("CrashLoopBackOff", "", 2, ended(1, "full"))), "Pending", "Error", "full"),
        (behind(terminated(3)), "Pending", "Error", "the vddk-side-car ended with exit code 3"),
        # at work
        (pod("Running", running()), "Running", "Pod is running", ""),
        (pod("Running", running(1, before=ended(1, REFUSED))), "Running", "Pod is running", ""),
        # between two tries: the phase stays Running
        (pod("Running", terminated(1, REFUSED)), "Running", "Error", REFUSED),
        (crashed(1, REFUSED), "Running", "Error", REFUSED),
        (crashed(1, report(REFUSED, error="transient")), "Running", "Error", REFUSED),
        (crashed(1, "write: no space left on device"), "Running", "Error", TOO_SMALL),
        (crashed(139), "Running", "Error", "the importer ended with exit code 139 (SIGSEGV)"),
        (crashed(137, "importing\nprogress percent=26\n"), "Running", "Error", KILLED),
        (crashed(200, "line"), "Running", "Error", "the importer ended with exit code 200, after: line"),
        (crashed(137, "its last log line", "OOMKilled"), "Running", "Error", OUT_OF_MEMORY),
        # the pod as a whole is lost
        (having(pod("Failed"), status=EVICTED), "Failed", "Error", f"Evicted: {EVICTED['message']}"),
        (having(pod("Failed"), status={"reason": "NodeLost"}), "Failed", "Error", "NodeLost"),
        (pod("Failed"), "Failed", "", ""),
        # done, whatever becomes of the pod afterwards
        (exited(report()), *DONE),
        (exited(""), *DONE),
        (pod("Running", terminated(message=report())), *DONE),
        (having(pod("Failed", terminated(message=report())), status=EVICTED), *DONE),
        # exit code 0, and yet no disk
        (exited(report(MISMATCH, error="fatal")), "Failed", "ChecksumError", MISMATCH),
        (exited(report("no", error="fatal")), "Failed", "Error", "no"),
        (exited(NO_SCRATCH), "Failed", "Scratch space required", "scratch space required and none found"),
    ],
)
def test_told(seen, phase, reason, message):
    fate = told(worker(seen))
    assert (fate.phase, fate.reason, fate.message) == (phase, reason, message)


@pytest.mark.parametrize(
    ("said", "fatal"),
    [
        (report(), False),
        (report(MISMATCH, error="fatal"), True),
        (NO_SCRATCH, False),
    ],
)
def test_only_an_error_with_exit_code_0_is_for_good(said, fatal):
    assert told(worker(exited(said))).fatal == fatal


FIGURES: Any = {
    "format": "qcow2",
    "source_bytes": 40,
    "resumed_bytes": 2,
    "total_bytes": 100,
    "written_bytes": 60,
    "virtual_size_bytes": 200,
    "stage_seconds": {"connect": 0.104, "transfer": 2.0},
}
MEASURED: Any = {
    "format": "qcow2",
    "source_bytes": 42,
    "resumed_bytes": 2,
    "total_bytes": 100,
    "written_bytes": 60,
    "virtual_size_bytes": 200,
    "average_speed_bytes_per_second": 20,
    "stage_seconds": {"connect": "0.10", "transfer": "2.00"},
}
FULL = "write /data/disk.img: no space left on device"
LARGER = "Ask for a larger volume."


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (pod(), NOTHING),
        (RUNNING, NOTHING),
        (having(pod(), status=UNSCHEDULABLE), NOTHING),
        (exited(NO_SCRATCH), NOTHING),
        (exited(report(**FIGURES)), Transfer("done", **MEASURED)),
        (
            crashed(1, report(REFUSED, error="transient", **FIGURES)),
            Transfer(message=REFUSED, error="Transient", **MEASURED),
        ),
        # in its own words, where the condition has the reference's; and while it is tried again
        (
            pod("Running", running(1, before=ended(1, report(FULL, error="permanent", hint=LARGER)))),
            Transfer(message=FULL, hint=LARGER, error="Permanent"),
        ),
        (exited(report(MISMATCH, error="fatal")), Transfer(message=MISMATCH, error="Permanent")),
        # no report
        (crashed(1, REFUSED), Transfer(message=REFUSED, error="Transient")),
        (crashed(139), Transfer(message="the importer ended with exit code 139 (SIGSEGV)", error="Transient")),
        (crashed(137, "importing\nprogress percent=26\n"), Transfer(message=KILLED, error="Transient")),
        (
            crashed(137, "its last log line", "OOMKilled"),
            Transfer(
                message=OUT_OF_MEMORY, hint="Raise the memory limit in podResourceRequirements.", error="Permanent"
            ),
        ),
        (having(pod("Failed"), status=EVICTED), Transfer(message=f"Evicted: {EVICTED['message']}", error="Transient")),
    ],
)
def test_attempt(seen, wanted):
    assert attempt(worker(seen)) == wanted


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("ErrImagePull", "Transient"), ("ImagePullBackOff", "Transient"), ("InvalidImageName", "Permanent")],
)
def test_an_image_that_cannot_be_pulled(reason, kind):
    found = attempt(worker(pod("Pending", waiting(reason))))
    assert (found.message, found.error) == (NO_PULL, kind)
    assert "see the events of the pod" in found.hint


def test_what_a_finished_worker_found_out():
    labels = {"instancetype.kubevirt.io/default-preference": "fedora"}
    said = report(labels=labels, preallocation_applied=True)
    fate = told(worker(exited(said)))
    assert (fate.labels, fate.preallocated) == (labels, True)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("virtual image size 2 is larger than the reported available storage 1. A larger PVC is required", TOO_SMALL),
        ("Unable to process data: write /data/disk.img: no space left on device", TOO_SMALL),
        ("qemu-img: file largest block is bigger than maxblock", TOO_SMALL),
        ("write: disk quota exceeded", TOO_SMALL),
        (REFUSED, REFUSED),
        ("", ""),
    ],
)
def test_simplified(message, wanted):
    assert simplified(message) == wanted
