"""What a cluster leaves on a machine, found by what it is attached to and taken away: pods, mounts, loops, files.

Nothing is found by a program's name: processes are found by our mark or by the pods' cgroups, mounts and loop devices
by lying below our directories.
"""

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from devcluster import processes
from devcluster.configs import CNI_NETWORK
from devcluster.errors import DevclusterError
from devcluster.layout import DATA, RUN
from devcluster.shell import run, succeeds

CGROUPS = Path("/sys/fs/cgroup")
PODS_CGROUP = "kubepods"
OURS = (str(DATA), str(RUN))
REMOVAL_TIMEOUT_S = 20.0
# Paths that kubelet, the shims and libcni use whatever they are told.
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
CONTAINER_LOGS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")
SHIM_SOCKETS = Path("/run/containerd/s")


def end_processes() -> None:
    """End every process of the cluster and of its pods, until none is left that could start another."""
    # In no particular order: what the kubelet starts again while it still lives is ended in the next round.
    _until_none(lambda: [*processes.marked(), *pod_processes()], processes.kill, "processes")


def remove_traces() -> None:
    """Take away all that is left on this machine when no process is; nothing to do is success."""
    release(OURS)
    cgroups()
    outside_files()
    for path in (DATA, RUN):
        remove_tree(path)


def remove_tree(top: Path) -> None:
    """Unmount what is mounted below `top` and remove it all."""
    release([str(top)])
    shutil.rmtree(top, ignore_errors=True)
    if top.exists():
        raise DevclusterError(f"{top} cannot be removed: something still uses it (see `fuser -vm {top}`)")


def release(below: Sequence[str]) -> None:
    """Unmount and detach everything of these directories, or say what is still in use.

    In turns, because a mount keeps the loop device under it, and a loop device the mount that its file is on. Never
    lazily: a loop device on a filesystem that is out of the tree has no path any more by which it could be found.
    """

    def find() -> list[str]:
        return [*mounts(Path("/proc/self/mountinfo").read_text(), below), *loops(below)]

    def remove(found: list[str]) -> None:
        succeeds(["umount", "--quiet", *(path for path in found if not path.startswith("/dev/loop"))])
        for device in loops(below):
            succeeds(["losetup", "--detach", device])

    _until_none(find, remove, "mounts and loop devices")


def pod_cgroups() -> list[Path]:
    """The top cgroup of all pods in each hierarchy: one with cgroup v2, one a controller with v1."""
    return [path for path in (CGROUPS / PODS_CGROUP, *sorted(CGROUPS.glob(f"*/{PODS_CGROUP}"))) if path.is_dir()]


def pod_processes() -> set[int]:
    """Every process of every pod."""
    found: set[int] = set()
    for top in pod_cgroups():
        for directory, _, _ in os.walk(top):
            with suppress(OSError):
                found.update(int(pid) for pid in Path(directory, "cgroup.procs").read_text().split())
    return found


def mounts(mountinfo: str, below: Iterable[str]) -> list[str]:
    """Mount points at or below one of the directories, the last first (field 5 of mountinfo, octal escapes)."""
    escaped = [line.split()[4] for line in mountinfo.splitlines()]
    points = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point) for point in escaped]
    return [point for point in reversed(points) if any(point == top or point.startswith(f"{top}/") for top in below)]


def loops(below: Iterable[str]) -> dict[str, str]:
    """Loop devices whose file lies below one of the directories: device to file."""
    listed = run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"])
    devices = json.loads(listed)["loopdevices"] if listed.strip() else []
    tops = tuple(f"{top}/" for top in below)
    return {device["name"]: device["back-file"] for device in devices if (device["back-file"] or "").startswith(tops)}


def cgroups() -> None:
    """Remove the pods' cgroups, leaves first."""
    for top in pod_cgroups():
        for directory in _leaves_first(top):
            with suppress(FileNotFoundError):
                directory.rmdir()


def outside_files() -> None:
    """Remove our files, and then empty directories, from the places that cannot be configured."""
    for path in _outside_files():
        path.unlink(missing_ok=True)
    for directory in (DEVICE_PLUGINS, CNI_RESULTS, SHIM_SOCKETS):
        for empty in (directory, directory.parent):
            with suppress(OSError):
                empty.rmdir()
    with suppress(OSError):
        CONTAINER_LOGS.rmdir()


def _outside_files() -> Iterator[Path]:
    for name in ("kubelet.sock", "kubelet_internal_checkpoint"):
        yield DEVICE_PLUGINS / name
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and os.readlink(link).startswith(OURS):
            yield link
    yield from CNI_RESULTS.glob(f"{CNI_NETWORK}-*")
    yield from (path for path in SHIM_SOCKETS.glob("*") if _is_dead_socket(path))


def _is_dead_socket(path: Path) -> bool:
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def _leaves_first(top: Path) -> Iterator[Path]:
    for directory, _, _ in os.walk(top, topdown=False):
        yield Path(directory)


def _until_none(find: Callable[[], Collection[Any]], remove: Callable[[Any], object], what: str) -> None:
    """Find and remove until nothing is found: a dying process may still start one, a loop device go a moment later."""
    deadline = time.monotonic() + REMOVAL_TIMEOUT_S
    while found := find():
        if time.monotonic() > deadline:
            raise DevclusterError(f"these {what} do not go away, end who uses them: {', '.join(map(str, found))}")
        remove(found)
        time.sleep(0.05)
