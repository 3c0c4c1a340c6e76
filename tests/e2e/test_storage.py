"""The storage classes of the dev cluster, as pods see them: if these fail, no other test of volumes means anything.

A pod takes seconds to come and go, so all stories are played at once, in one namespace, each on claims of its own name;
each test then waits for the end of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from devcluster.kubectl import Kubectl, Object
from tests.e2e.installation import Installation
from tests.e2e.watch import Watch

PATH = "/volume"
WRITE = "import os; f = open(path, 'r+b' if block else 'wb'); f.write(b'content'); f.flush(); os.fsync(f.fileno())"
READ = "print(open(path, 'rb').read(7).decode())"
READ_AND_FILL = f"""
import errno
{READ}
try:
    with open(path, "r+b" if block else "wb", buffering=0) as file:
        for _ in range(1000):
            file.write(bytes(1 << 20))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
# Waits until what the pod sees has `wanted_mib` at least.
WAIT_FOR_SIZE = """
import os, time
def size_mib():
    if block:
        with open(path, "rb") as device:
            return device.seek(0, os.SEEK_END) >> 20
    seen = os.statvfs(os.path.dirname(path))
    return seen.f_blocks * seen.f_frsize >> 20
while size_mib() < wanted_mib:
    time.sleep(0.1)
"""


@dataclass(frozen=True)
class Stage:
    """Where one story is played: claims and pods whose names begin with `name`, all of one mode."""

    kubectl: Kubectl
    image: str
    name: str
    mode: str

    def claim(self, which: str, storage_class: str, size: str = "64Mi", **spec: Any) -> str:
        name = f"{self.name}-{which}"
        wanted = {"storageClassName": storage_class, "volumeMode": self.mode, "accessModes": ["ReadWriteOnce"]}
        resources = {"requests": {"storage": size}}
        self.kubectl.create(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name},
                "spec": {**wanted, "resources": resources, **spec},
            }
        )
        return name

    def grow(self, claim: str) -> None:
        patch = '{"spec": {"resources": {"requests": {"storage": "256Mi"}}}}'
        self.kubectl("patch", f"pvc/{claim}", "--patch", patch)

    def snapshot(self, claim: str) -> None:
        self.kubectl.create(
            {
                "apiVersion": "snapshot.storage.k8s.io/v1",
                "kind": "VolumeSnapshot",
                "metadata": {"name": claim},
                "spec": {"source": {"persistentVolumeClaimName": claim}},
            }
        )
        self.kubectl.wait(f"volumesnapshot/{claim}", "jsonpath={.status.readyToUse}=true")

    def start(self, claim: str, script: str) -> None:
        self.kubectl.create(pod(claim, self.image, self.mode == "Block", script))

    def finish(self, claim: str) -> list[str]:
        """What the script printed; the pod is gone then."""
        self.kubectl.wait(f"pod/{claim}", "jsonpath={.status.phase}=Succeeded", timeout_s=120)
        output = self.kubectl("logs", claim).splitlines()
        self.kubectl.delete(f"pod/{claim}")
        return output

    def run(self, claim: str, script: str) -> list[str]:
        self.start(claim, script)
        return self.finish(claim)


def pod(claim: str, image: str, block: bool, script: str) -> Object:
    """A pod as restricted as an importer that runs `script` with `path`, what it may write to, and `block`."""
    path = PATH if block else f"{PATH}/file"
    use: Object = {"volumeMounts": [{"name": "volume", "mountPath": PATH}]}
    if block:
        use = {"volumeDevices": [{"name": "volume", "devicePath": PATH}]}
    container = {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", f"path, block = {path!r}, {block}\n{script}"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    who = {"runAsUser": 107, "runAsGroup": 107, "fsGroup": 107, "runAsNonRoot": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": claim},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {**who, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{**container, **use}],
            "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": claim}}],
        },
    }


def keeps_what_is_written_and_ends_where_it_ends(stage: Stage, storage_class: str) -> None:
    claim = stage.claim("claim", storage_class)
    stage.run(claim, WRITE)
    assert stage.run(claim, READ_AND_FILL) == ["content", "ENOSPC"]


def copies_into_a_larger_claim(stage: Stage, kind: str) -> None:
    original = stage.claim("original", "csi")
    stage.run(original, WRITE)
    source = {"kind": kind, "name": original}
    if kind == "VolumeSnapshot":
        source["apiGroup"] = "snapshot.storage.k8s.io"
        stage.snapshot(original)
    copy = stage.claim("copy", "csi", "256Mi", dataSource=source)
    assert stage.run(copy, f"wanted_mib = 180\n{WAIT_FOR_SIZE}\n{READ}") == ["content"]


def block_volume_grows_under_its_pod(stage: Stage) -> None:
    claim = stage.claim("claim", "csi")
    stage.start(claim, f"wanted_mib = 256\n{WAIT_FOR_SIZE}")
    stage.kubectl.wait(f"pod/{claim}", "condition=Ready")
    stage.grow(claim)
    stage.finish(claim)


def filesystem_grows_for_the_next_pod(stage: Stage) -> None:
    claim = stage.claim("claim", "csi")
    stage.run(claim, WRITE)
    stage.grow(claim)
    stage.kubectl.wait(f"pvc/{claim}", "condition=FileSystemResizePending")
    assert stage.run(claim, f"wanted_mib = 180\n{WAIT_FOR_SIZE}\n{READ}") == ["content"]
    stage.kubectl.wait(f"pvc/{claim}", "jsonpath={.status.capacity.storage}=256Mi")


def refuses_what_is_too_large(stage: Stage, storage_class: str) -> None:
    def told(event: Object, claim: str) -> bool:
        about = event["involvedObject"]["name"] == claim and event["reason"] == "ProvisioningFailed"
        return about and "not enough free space for 109951162777600 bytes" in event["message"]

    with Watch(stage.kubectl, "events") as events:
        claim = stage.claim("claim", storage_class, "100Ti")
        events.until(lambda seen: any(told(event, claim) for event in seen.values()), f"{claim} is refused")


STORIES: dict[str, tuple[str, Callable[[Stage], None]]] = {
    **{
        f"{storage_class}-{mode}".lower(): (
            mode,
            partial(keeps_what_is_written_and_ends_where_it_ends, storage_class=storage_class),
        )
        for storage_class in ("csi", "csi-wffc", "csi-noclone", "local")
        for mode in ("Filesystem", "Block")
    },
    **{
        f"{name}-{mode}".lower(): (mode, partial(copies_into_a_larger_claim, kind=kind))
        for name, kind in (("snapshot", "VolumeSnapshot"), ("clone", "PersistentVolumeClaim"))
        for mode in ("Filesystem", "Block")
    },
    "grow-block": ("Block", block_volume_grows_under_its_pod),
    "grow-filesystem": ("Filesystem", filesystem_grows_for_the_next_pod),
    **{
        f"too-large-{storage_class}": ("Filesystem", partial(refuses_what_is_too_large, storage_class=storage_class))
        for storage_class in ("csi", "csi-noclone", "local")
    },
}


@pytest.fixture(scope="module")
def played(shared_namespace: Kubectl, installation: Installation) -> Iterator[dict[str, Future[None]]]:
    with ThreadPoolExecutor(len(STORIES)) as pool:
        yield {
            name: pool.submit(story, Stage(shared_namespace, installation.python_image, name, mode))
            for name, (mode, story) in STORIES.items()
        }


@pytest.mark.parametrize("story", STORIES)
def test_storage(played: dict[str, Future[None]], story: str) -> None:
    played[story].result()
