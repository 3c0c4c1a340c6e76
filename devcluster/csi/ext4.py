"""The filesystem of a filesystem volume: an ext4 of its own, so that overhead, lost+found and ENOSPC are real.

A new image is all holes and reads as zeroes, so mkfs need not write the inode tables, now or in the background
(seen: 13 ms for 2 GiB).
"""

import os
import re
import struct
import subprocess
from pathlib import Path

from devcluster.csi import loop, mounts
from devcluster.csi.errors import not_now
from devcluster.csi.loop import Loop
from devcluster.errors import DevclusterError
from devcluster.shell import run

BLOCK_BYTES = 4096
_SUPERBLOCK = 1024
_CAP_SYS_RESOURCE = 24


def make(image: Path) -> None:
    """Make an empty filesystem as large as the sparse file `image`; no blocks are kept back for root."""
    options = "assume_storage_prezeroed=1,nodiscard"
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(BLOCK_BYTES), "-E", options, image])


def mount(image: Path, target: Path, options: tuple[str, ...] = ()) -> None:
    """Mount at `target`; a filesystem smaller than its image, as after a restore into a larger volume, grows first."""
    with loop.held(image, BLOCK_BYTES) as device:
        if _is_small(device) and not mounts.of(device):
            _check(device)
            run(["resize2fs", device.device])
        mounts.mount_filesystem(device, target, "ext4", options)


def grow_mounted(device: Loop) -> None:
    """Let the mounted filesystem on `device` take the whole device; nothing to do is fine.

    `CsiError` with the code that tells the kubelet to wait for the next mount where this process may not do it.
    """
    if not _is_small(device):
        return
    if not may_grow_mounted():
        raise not_now(
            "this machine denies CAP_SYS_RESOURCE, without which the kernel grows no mounted ext4: "
            "the volume grows when its pods are gone and the next one starts"
        )
    run(["resize2fs", device.device])


def _check(device: Loop) -> None:
    """What resize2fs wants to see first; a snapshot of a volume in use has a journal to replay."""
    done = subprocess.run(["e2fsck", "-f", "-p", device.device], text=True, capture_output=True)
    if done.returncode > 1:  # 1 means that what was wrong is right now
        raise DevclusterError(f"the filesystem on {device.device} ({device.backing}) is damaged: {done.stdout.strip()}")


def _is_small(device: Loop) -> bool:
    # Read through the device, which shows what the kernel has in memory of a mounted filesystem too.
    with open(device.device, "rb") as content:
        device_bytes = content.seek(0, os.SEEK_END)
        content.seek(0)
        return size_of(content.read(2 * _SUPERBLOCK)) < device_bytes


def may_grow_mounted() -> bool:
    effective = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return bool(effective and int(effective[1], 16) >> _CAP_SYS_RESOURCE & 1)


def size_of(head: bytes) -> int:
    """The size in bytes that the superblock in the first 2 KiB of an image states; 0 where there is no ext4."""
    superblock = head[_SUPERBLOCK:]
    (magic,) = struct.unpack_from("<H", superblock, 0x38)
    if magic != 0xEF53:
        return 0
    (blocks,) = struct.unpack_from("<I", superblock, 0x04)
    (log_block_kib,) = struct.unpack_from("<I", superblock, 0x18)
    (incompatible,) = struct.unpack_from("<I", superblock, 0x60)
    if incompatible & 0x80:  # 64bit
        blocks += struct.unpack_from("<I", superblock, 0x150)[0] << 32
    return int(blocks << (10 + log_block_kib))


def errors_of(device: Loop) -> int:
    """How many errors the kernel has found in the mounted filesystem on `device`."""
    counter = Path(f"/sys/fs/ext4/{Path(device.device).name}/errors_count")
    return int(counter.read_text()) if counter.exists() else 0
