"""The disk that everything is measured with, in every format: made from files of this machine, kept for the next run.

It is an ext4 filesystem with real programs, libraries, documents and sources on it, because how well a disk compresses
decides what an import of it costs. Which files are taken is drawn with a fixed seed: the same machine makes the same
disk.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster import layout

MIB, GIB = 1 << 20, 1 << 30
CACHE = layout.CACHE / "bench"
LARGEST_FILE_BYTES = 64 * MIB
LARGEST_FILE_SHARE = 8
"""Of all data: no file is a larger part, or a small disk might have no room for the last."""
UUID = "c0ffee00-0000-4000-8000-000000000000"

MAKE: Mapping[str, tuple[str, str]] = {
    # image          made of    how; {source} and {image} are paths
    "qcow2": ("raw", "qemu-img convert -f raw -O qcow2 {source} {image}"),
    "qcow2-zlib": ("raw", "qemu-img convert -f raw -O qcow2 -c {source} {image}"),
    "qcow2-zstd": ("raw", "qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd {source} {image}"),
    "raw.gz": ("raw", "gzip -6 -c {source} > {image}"),
    "raw.zst": ("raw", "zstd -q -3 {source} -o {image}"),
    "qcow2.xz": ("qcow2", "xz -6 -T1 -c {source} > {image}"),
    "qcow2.blocks.xz": ("qcow2", "xz -6 -T0 --block-size=24MiB -c {source} > {image}"),
    "vmdk-stream": ("raw", "qemu-img convert -f raw -O vmdk -o subformat=streamOptimized {source} {image}"),
    "vmdk-sparse": ("raw", "qemu-img convert -f raw -O vmdk -o subformat=monolithicSparse {source} {image}"),
    "vdi": ("raw", "qemu-img convert -f raw -O vdi {source} {image}"),
    "vhd": ("raw", "qemu-img convert -f raw -O vpc -o force_size=on {source} {image}"),
    "vhdx": ("raw", "qemu-img convert -f raw -O vhdx {source} {image}"),
}


@dataclass(frozen=True)
class Disk:
    """`data_bytes` of files on a filesystem of `size_bytes`, both about."""

    size_bytes: int
    data_bytes: int
    virtual_bytes: int = 0
    """Size of the disk around the filesystem, where that is larger."""

    @property
    def disk_bytes(self) -> int:
        return max(self.size_bytes, self.virtual_bytes)

    @property
    def home(self) -> Path:
        return CACHE / f"{self.disk_bytes // MIB}M-{self.data_bytes // MIB}M"

    def image(self, name: str) -> Path:
        """Its path; made first, where it is not there yet."""
        path = self.home / f"disk.{name}"
        if not path.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            print(f"  making {path}", file=sys.stderr)
            part = path.with_name(f"{path.name}.part")
            if name == "raw":
                self._make_raw(part)
            else:
                origin, command = MAKE[name]
                filled = command.format(source=self.image(origin), image=part)
                subprocess.run(["sh", "-ec", filled], check=True, stdout=subprocess.DEVNULL)
            part.rename(path)
        return path

    def _make_raw(self, path: Path) -> None:
        staging = self.home / "files"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            gather(staging, self.data_bytes)
            with path.open("wb") as file:
                file.truncate(self.size_bytes)
            fixed = ["-U", UUID, "-E", f"hash_seed={UUID}"]
            subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", *fixed, "-d", staging, path], check=True)
            os.truncate(path, self.disk_bytes)
        finally:
            shutil.rmtree(staging)


def gather(directory: Path, total_bytes: int) -> None:
    """Copies of so many bytes of this machine's files, a thousand to a directory."""
    paths = sorted(set(candidates(min(LARGEST_FILE_BYTES, total_bytes // LARGEST_FILE_SHARE))))
    random.Random(1).shuffle(paths)
    taken = 0
    for number, path in enumerate(paths):
        if taken >= total_bytes:
            return
        place = directory / f"{number // 1000:03}" / f"{number:06}-{os.path.basename(path)}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        taken += place.stat().st_size
    raise SystemExit(f"this machine has only {taken // MIB} MiB of files: choose a smaller --size")


def candidates(most_bytes: int) -> Iterator[str]:
    """Programs, libraries, documents; Python packages; Go and its modules."""
    for root in ("/usr", sys.prefix, *go_directories()):
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.islink(path) and os.path.isfile(path) and os.path.getsize(path) <= most_bytes:
                    yield path


def go_directories() -> list[str]:
    if not shutil.which("go"):
        return []
    done = subprocess.run(["go", "env", "-json", "GOROOT", "GOMODCACHE"], check=True, capture_output=True, text=True)
    return [path for path in json.loads(done.stdout).values() if os.path.isdir(path)]
