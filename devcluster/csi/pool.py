"""The ground that all volumes stand on: one xfs with reflinks, in one sparse file below the data directory.

Reflinks make a snapshot or a clone of any size a matter of milliseconds; the sparse file takes from the machine only
what the volumes hold, and gives it back when they are deleted. The pool is thin: volumes may promise more than it
has, and its free space is what is free now.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from devcluster.csi import loop, mounts
from devcluster.errors import DevclusterError
from devcluster.shell import run

MINIMUM_BYTES = 300 << 20  # what mkfs.xfs accepts

# Each program that the driver runs, and the Debian package that has it.
PROGRAMS = {"mkfs.xfs": "xfsprogs", "mkfs.ext4": "e2fsprogs", "resize2fs": "e2fsprogs", "e2fsck": "e2fsprogs"}


@dataclass(frozen=True)
class Pool:
    """A mounted pool; `data` is the directory that holds it."""

    data: Path

    @property
    def directory(self) -> Path:
        return self.data / "pool"

    @property
    def free_bytes(self) -> int:
        """What is free in the pool and on the disk that its file grows on."""
        return min(shutil.disk_usage(self.directory).free, shutil.disk_usage(self.data).free)


def open_pool(data: Path, capacity_bytes: int) -> Pool:
    """Make the pool if there is none, and mount it if it is not; an existing one keeps its size."""
    require(PROGRAMS)
    if capacity_bytes < MINIMUM_BYTES:
        raise DevclusterError(f"a pool of {capacity_bytes} bytes is too small: give at least 300Mi")
    pool = Pool(data)
    image = data / "pool.img"
    pool.directory.mkdir(parents=True, exist_ok=True)
    if not image.exists():
        _make(image, capacity_bytes)
    if mounts.at(pool.directory) is None:
        with loop.held(image) as device:
            mounts.mount_filesystem(device, pool.directory, "xfs", ["discard"])
    return pool


def require(programs: dict[str, str]) -> None:
    """Check that this is root and that every program is there, or say what to do."""
    if os.geteuid() != 0:
        raise DevclusterError("mounting volumes needs root: run this with sudo")
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if missing:
        raise DevclusterError(f"programs are missing: run `apt-get install {' '.join(missing)}`")


def _make(image: Path, capacity_bytes: int) -> None:
    unfinished = image.with_suffix(".tmp")
    with open(unfinished, "wb") as file:
        file.truncate(capacity_bytes)
    run(["mkfs.xfs", "-q", "-f", "-m", "reflink=1", unfinished])
    unfinished.rename(image)
