"""Where the imports go: a fresh file, and a loop device over a fresh one, which like a disk keeps nothing in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    kind: str
    """file or block."""
    out: Path
    """File or device to write to."""
    file: Path
    """What holds the data: the file itself, or the file under the device."""

    @property
    def scratch(self) -> Path:
        return self.file.with_name("scratch")

    def renew(self) -> None:
        """As if nobody had ever written here, and nothing of earlier runs still on its way to the disk."""
        for leftover in (self.scratch, self.scratch.with_name("scratch.unpacked"), self.file.with_name("alone")):
            leftover.unlink(missing_ok=True)
        if self.kind == "file":
            self.out.unlink(missing_ok=True)
        else:
            # Through the device, so that its page cache is emptied, too.
            subprocess.run(["blkdiscard", "--force", self.out], check=True, capture_output=True)
        subprocess.run(["sync", "--file-system", self.file.parent], check=True)


@contextmanager
def places(home: Path, size_bytes: int) -> Iterator[list[Place]]:
    """A file, and where we may have one a loop device."""
    home.mkdir(parents=True, exist_ok=True)
    try:
        with loop_device(home / "backing", size_bytes) as block, directory(home, size_bytes) as files:
            yield [Place("file", files / "disk.img", files / "disk.img"), *block]
    finally:
        shutil.rmtree(home)


@contextmanager
def directory(home: Path, size_bytes: int) -> Iterator[Path]:
    """`home`, or a filesystem in it that claims to have the room which this disk has not.

    An import asks whether the whole image fits, also where most of it will be holes. Only root may mount one.
    """
    if shutil.disk_usage(home).free > size_bytes or os.geteuid() != 0:
        yield home
        return
    mounted = home / "files"
    mounted.mkdir(exist_ok=True)
    if mounted.is_mount():
        # Of a bench that was killed.
        subprocess.run(["umount", mounted], check=True)
    with loop_device(home / "filesystem", size_bytes + size_bytes // 8) as [block]:
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", block.out], check=True)
        # What is deleted in it is given back to the disk.
        subprocess.run(["mount", "--options=discard", block.out, mounted], check=True)
        try:
            yield mounted
        finally:
            subprocess.run(["umount", mounted], check=True)


@contextmanager
def loop_device(backing: Path, size_bytes: int) -> Iterator[list[Place]]:
    if os.geteuid() != 0:
        yield []
        return
    for old in devices_over(backing):
        # Of a bench that was killed.
        subprocess.run(["losetup", "--detach", old], check=True)
    with backing.open("wb") as file:
        file.truncate(size_bytes)
    attach: list[str | Path] = ["losetup", "--direct-io=on", "--find", "--show", backing]
    device = subprocess.run(attach, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield [Place("block", Path(device), backing)]
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def devices_over(backing: Path) -> list[str]:
    found: list[str | Path] = ["losetup", "--noheadings", "--output=NAME", "--associated", backing]
    return subprocess.run(found, check=True, capture_output=True, text=True).stdout.split()
