"""Takes away everything that a data directory has brought into the system, and the directory itself.

Found by asking the kernel which loop devices stand on files below the directory, so it works on what a kill or a power
cut left half-made, and may be repeated. Nothing is deleted while anything is still mounted below.
"""

import os
import shutil
from pathlib import Path

from devcluster.csi import loop, mounts
from devcluster.errors import DevclusterError


def clean(data: Path) -> None:
    """Unmount, detach and delete all of `data`; raises DevclusterError if something is still in use."""
    root = Path(os.path.realpath(data))
    # The pool is the ground of the volumes in it, and lies higher in the tree: the deepest first.
    for device in sorted(_standing_on(root), key=lambda found: found.backing.count("/"), reverse=True):
        for user in _standing_on(Path(device.device)):
            # The kubelet keeps a block volume open through a loop device over the loop device.
            loop.detach(user)
        for mount in reversed(mounts.of(device)):
            mounts.unmount(Path(mount.target))
        if device in loop.attached():
            loop.detach(device)
        if device in loop.attached():
            raise DevclusterError(f"{device.device} ({device.backing}) is still in use: end what uses it and try again")
        loop.forget_unused(device.number)
    if inside := [mount.target for mount in mounts.mounts() if Path(mount.target).is_relative_to(root)]:
        raise DevclusterError(f"{inside[0]} is still mounted: unmount it and try again")
    if root.exists():
        shutil.rmtree(root)


def _standing_on(path: Path) -> list[loop.Loop]:
    """The loop devices whose file is `path`, or lies below it, or did until it was deleted."""
    return [found for found in loop.attached() if Path(found.backing.removesuffix(" (deleted)")).is_relative_to(path)]
