"""What is on a volume: a pod reads it, as a virtual machine would, and prints facts that are compared with the source.

The same way for every storage class and every cluster; the driver's own files are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devcluster.kubectl import Kubectl
from tests.e2e import manifests

# Runs in the pod. argv: {claim: bytes of the image}. Prints one JSON document a claim.
READER = r"""
import hashlib, json, os, stat, sys

def facts(path, image_bytes):
    directory = os.path.isdir(path)
    entries = sorted(os.listdir(path)) if directory else []
    disk = os.path.join(path, "disk.img") if directory else path
    with open(disk, "rb", buffering=0) as file:
        about, size = os.stat(disk), file.seek(0, os.SEEK_END)
        file.seek(0)
        head, rest = hashlib.sha256(), 0
        while data := file.read(1 << 20):
            take = min(len(data), max(0, image_bytes - (file.tell() - len(data))))
            head.update(data[:take])
            rest += len(data) - take - data[take:].count(0)
    room = os.statvfs(path)
    return dict(
        entries=entries, size_bytes=size, sha256=head.hexdigest(), nonzero_after_image=rest,
        mode=stat.filemode(about.st_mode), uid=about.st_uid, gid=about.st_gid,
        allocated_bytes=about.st_blocks * 512, free_bytes=room.f_bavail * room.f_frsize,
    )

for claim, image_bytes in json.loads(sys.argv[1]).items():
    print(json.dumps([claim, facts("/volumes/" + claim, image_bytes)]), flush=True)
"""


@dataclass(frozen=True)
class Disk:
    """What a reader saw on one volume. Of a block device `entries`, `mode` and `allocated_bytes` say nothing."""

    entries: tuple[str, ...]
    size_bytes: int
    sha256: str
    """Of the first bytes, as many as the image has."""
    nonzero_after_image: int
    mode: str
    uid: int
    gid: int
    allocated_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Expected:
    """A volume to read: its claim, `Filesystem` or `Block`, and how many bytes the image on it has."""

    claim: str
    mode: str
    image_bytes: int


def read(
    kubectl: Kubectl, image: str, volumes: Iterable[Expected], *, pod: str = "reader", timeout_s: float = 90
) -> Mapping[str, Disk]:
    """Start a pod that reads all `volumes` and wait for what it says, by claim."""
    start_reader(kubectl, image, volumes, pod=pod)
    return finish_reader(kubectl, pod=pod, timeout_s=timeout_s)


def start_reader(kubectl: Kubectl, image: str, volumes: Iterable[Expected], *, pod: str = "reader") -> None:
    """The pod may come before its volumes: it is then the first consumer that they wait for."""
    wanted = list(volumes)
    task = json.dumps({volume.claim: volume.image_bytes for volume in wanted})
    modes = {volume.claim: volume.mode for volume in wanted}
    kubectl.create(manifests.pod(pod, image, READER, task, claims=modes))


def finish_reader(kubectl: Kubectl, *, pod: str = "reader", timeout_s: float = 90) -> Mapping[str, Disk]:
    ended, code = (f"jsonpath={{.status.containerStatuses[0].state.terminated{field}}}" for field in ("", ".exitCode"))
    code = kubectl.wait(f"pod/{pod}", ended, timeout_s, f"--output={code}")
    printed = kubectl("logs", pod)
    assert code == "0", f"the reader could not read: {printed}"
    kubectl("delete", "pod", pod, "--wait=false")
    lines = (json.loads(line) for line in printed.splitlines())
    return {claim: Disk(**{**facts, "entries": tuple(facts["entries"])}) for claim, facts in lines}
