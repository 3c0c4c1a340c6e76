"""Where the imports go: a fresh file, and a loop device over a fresh one."""

from __future__ import annotations

import os
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
    size_bytes: int

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
            subprocess.run(["blkdiscard", "--force", self.out], check=True)
        subprocess.run(["sync", "--file-system", self.file.parent], check=True)


@contextmanager
def places(home: Path, size_bytes: int) -> Iterator[list[Place]]:
    """A file, and where we may have one a loop device."""
    home.mkdir(parents=True, exist_ok=True)
    found = [Place("file", home / "disk.img", home / "disk.img", size_bytes)]
    backing = home / "backing"
    with backing.open("wb") as file:
        file.truncate(size_bytes)
    device = ""
    try:
        if os.geteuid() == 0:
            attach = ["losetup", "--find", "--show", str(backing)]
            device = subprocess.run(attach, check=True, capture_output=True, text=True).stdout.strip()
            found.append(Place("block", Path(device), backing, size_bytes))
        yield found
    finally:
        if device:
            subprocess.run(["losetup", "--detach", device], check=True)
        found[0].renew()
        backing.unlink()
