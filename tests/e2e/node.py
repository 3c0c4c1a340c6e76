"""The machine under the embedded cluster: the processes of its pods, to be killed, and its components, to be restarted.

Everything else in these tests goes through kubectl; a crash does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from devcluster.binaries import program
from devcluster.kubectl import Object
from devcluster.layout import CHECKOUT, CONTAINERD_SOCKET, DATA


def kill(pod: Object, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal to the main process of each running container of the pod; whether there was one."""
    tasks = running_tasks()
    statuses = pod["status"].get("containerStatuses") or ()
    ids = [status.get("containerID", "").removeprefix("containerd://") for status in statuses]
    hit = [_kill(tasks[container], number) for container in ids if container in tasks]
    return any(hit)


def running_tasks() -> dict[str, int]:
    """Process id of every running container, by the container's id."""
    _, *lines = ctr("tasks", "list").splitlines()
    rows = (line.split() for line in lines)
    return {container: int(pid) for container, pid, status in rows if status == "RUNNING"}


def _kill(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def crash(component: str) -> None:
    """Kill a component of the cluster and start it again; done when it is ready."""
    command = [sys.executable, "-m", "devcluster", "restart", component, "--kill"]
    subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=True)


def stored_volumes() -> set[str]:
    """What the storage providers keep on this machine: the id of every volume, whether the cluster knows it or not."""
    pools = [DATA / name / "pool" / "volumes" for name in ("csi", "csi-noclone")]
    return {file.stem for place in (*pools, DATA / "local" / "images") for file in place.iterdir()}


def load_image(archive: Path) -> None:
    """Give the node the images of an archive."""
    ctr("images", "import", str(archive))


def remove_images(*names: str) -> None:
    ctr("images", "remove", *names)


def ctr(*arguments: str) -> str:
    """containerd's own client, in the namespace of the kubelet."""
    command = [str(program("ctr")), "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout
