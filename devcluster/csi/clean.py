"""Takes away everything that a data directory has brought into the system, and the directory itself.

Found by asking the kernel which loop devices stand on files below the directory, so it works on what a kill or a power
cut left half-made, and may be repeated. Nothing is deleted while anything is still mounted below.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

from devcluster.csi import loop, mounts
from devcluster.errors import DevclusterError

PATIENCE_S = 10


def clean(data: Path) -> None:
    """Unmount, detach and delete all of `data`; raises DevclusterError if something is still in use."""
    root = Path(os.path.realpath(data))
    # The pool is the ground of the volumes in it, and lies higher in the tree: the deepest first.
    for device in sorted(_below(root), key=lambda found: found.backing.count("/"), reverse=True):
        for user in loop.standing_on(device):
            loop.detach(user)
        for mount in reversed(mounts.of(device)):
            mounts.unmount(Path(mount.target))
        loop.detach(device)
        wait_until_gone(device)
        loop.forget_unused(device.number)
    if inside := [mount.target for mount in mounts.mounts() if Path(mount.target).is_relative_to(root)]:
        raise DevclusterError(f"{inside[0]} is still mounted: unmount it and try again")
    if root.exists():
        shutil.rmtree(root)


def wait_until_gone(device: loop.Loop) -> None:
    """Raises DevclusterError for a device that stays.

    A container being started has copies of all mounts until it has a root of its own: so long it keeps a device.
    """
    deadline = time.monotonic() + PATIENCE_S
    while device in loop.attached():
        if time.monotonic() > deadline:
            holders = ", ".join(_holders(device)) or "a process that has it open"
            raise DevclusterError(
                f"{device.device} ({device.backing}) is still used by {holders}: end it and try again"
            )
        time.sleep(0.05)


def _holders(device: loop.Loop) -> list[str]:
    """The processes that see a filesystem of `device`, in a mount namespace of their own."""
    number = f" {os.major(device.device_number)}:{os.minor(device.device_number)} "
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if number in (process / "mountinfo").read_text():
                found.append(f"{process.name} ({(process / 'comm').read_text().strip()})")
    return found


def _below(directory: Path) -> list[loop.Loop]:
    """The devices whose file is in the tree of `directory`, or was until it was deleted."""
    deleted = " (deleted)"
    return [found for found in loop.attached() if Path(found.backing.removesuffix(deleted)).is_relative_to(directory)]
