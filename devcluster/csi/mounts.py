"""What is mounted where, and the few mounts a volume needs.

Read from /proc/self/mountinfo every time: like the loop devices, the kernel's table is the only record.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster.csi.loop import Loop
from devcluster.shell import run


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo; `root` is the part of the filesystem that is seen at `target`."""

    device_number: int
    root: str
    target: str


def parse_mountinfo(text: str) -> list[Mount]:
    """The mounts of a mountinfo file, in its order (man 5 proc_pid_mountinfo)."""
    found = []
    for line in text.splitlines():
        _id, _parent, device, root, target, *_ = line.split(" ")
        major, minor = map(int, device.split(":"))
        found.append(Mount(os.makedev(major, minor), _unescape(root), _unescape(target)))
    return found


def mounts() -> list[Mount]:
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text())


def at(target: Path) -> Mount | None:
    """The uppermost mount at exactly `target`."""
    path = os.path.realpath(target)
    return next((mount for mount in reversed(mounts()) if mount.target == path), None)


def shows(loop: Loop, mount: Mount) -> bool:
    """Whether `mount` is a filesystem on `loop`, or the node of `loop` itself bound to a file."""
    if mount.device_number == loop.device_number:
        return True
    return mount.root == f"/{os.path.basename(loop.device)}" and _is_node_of(loop, mount.target)


def of(loop: Loop) -> list[Mount]:
    """Every mount through which `loop` can be reached."""
    return [mount for mount in mounts() if shows(loop, mount)]


def mount_filesystem(loop: Loop, target: Path, filesystem: str, options: Iterable[str] = ()) -> None:
    """Mount the filesystem on `loop` at the directory `target`."""
    run(["mount", "-t", filesystem, "-o", ",".join(["rw", *options]), loop.device, target])


def bind(source: Path | str, target: Path, *, read_only: bool) -> None:
    """Show `source`, a directory or a device node, at `target` too."""
    run(["mount", "-o", "bind,ro" if read_only else "bind", source, target])


def unmount(target: Path) -> None:
    """Take away everything that is mounted at `target`; nothing there is fine."""
    while at(target):
        run(["umount", target])


def _is_node_of(loop: Loop, path: str) -> bool:
    try:
        return os.stat(path).st_rdev == loop.device_number
    except OSError:
        return False


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)
