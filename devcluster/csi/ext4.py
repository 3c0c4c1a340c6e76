"""The filesystem of a filesystem volume: an ext4 of its own, so that overhead, lost+found and ENOSPC are real.

A new image is all holes and reads as zeroes, so mkfs need not write the inode tables, now or in the background
(seen: 13 ms for 2 GiB).
"""

import re
import subprocess
from pathlib import Path

from devcluster.csi import loop, mounts
from devcluster.csi.errors import not_now
from devcluster.csi.loop import Loop
from devcluster.errors import DevclusterError
from devcluster.shell import run

BLOCK_BYTES = 4096
_CAP_SYS_RESOURCE = 24


def make(image: Path) -> None:
    """Make an empty filesystem as large as the sparse file `image`; no blocks are kept back for root."""
    options = "assume_storage_prezeroed=1,nodiscard"
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(BLOCK_BYTES), "-E", options, image])


def mount(image: Path, target: Path, options: tuple[str, ...] = ()) -> None:
    """Mount the filesystem in `image` at the directory `target`."""
    with loop.held(image, BLOCK_BYTES) as device:
        mounts.mount_filesystem(device, target, "ext4", options)


def grow(image: Path) -> None:
    """Let the filesystem in `image`, which nobody has mounted, take all of it."""
    # What resize2fs wants to see first; a snapshot of a volume in use has a journal to replay.
    checked = subprocess.run(["e2fsck", "-f", "-p", image], text=True, capture_output=True)
    if checked.returncode > 1:  # 1 means that what was wrong is right now
        raise DevclusterError(f"the filesystem in {image} is damaged: {checked.stdout.strip()}")
    run(["resize2fs", image])


def grow_mounted(device: Loop) -> None:
    """Let the mounted filesystem on `device` take the whole device.

    `CsiError` with the code that tells the kubelet to wait for the next mount where this process may not do it.
    """
    if not may_grow_mounted():
        raise not_now(
            "this machine denies CAP_SYS_RESOURCE, without which the kernel grows no mounted ext4: "
            "the volume grows when its pods are gone and the next one starts"
        )
    run(["resize2fs", device.device])


def may_grow_mounted() -> bool:
    effective = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return bool(effective and int(effective[1], 16) >> _CAP_SYS_RESOURCE & 1)


def errors_of(device: Loop) -> int:
    """How many errors the kernel has found in the mounted filesystem on `device`."""
    counter = Path(f"/sys/fs/ext4/{Path(device.device).name}/errors_count")
    return int(counter.read_text()) if counter.exists() else 0
