"""Real block devices and filesystems for a moment. They need root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes loop devices and mounts: run as root")


@contextmanager
def loop_device(backing: Path) -> Iterator[str]:
    done = subprocess.run(["losetup", "--find", "--show", backing], check=True, capture_output=True, text=True)
    device = done.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextmanager
def mounted(kind: str, where: Path, *options: str, source: str | Path = "none") -> Iterator[Path]:
    where.mkdir()
    settings = ["-o", ",".join(options)] if options else []
    subprocess.run(["mount", "-t", kind, *settings, source, where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


def filesystem(kind: str, image: Path, size_bytes: int) -> Path:
    """An image with a fresh filesystem, to be mounted with option loop."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
    return image
