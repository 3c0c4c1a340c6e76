"""What others read from an image: qemu-img with the driver that it is told, and the tools for compressed files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.fuzz.canvas import DISK_BYTES

TOOLS = {"gz": "gzip", "xz": "xz", "zst": "zstd", "bz2": "bzip2"}
LIMIT_S = 20
TOO_LARGE = "larger than this oracle is let write"


@dataclass(frozen=True)
class Answer:
    accepted: bool
    text: str
    """Why not."""
    read: Callable[[int, int], bytes]
    """Offset and length, of the disk."""
    size: int


def read_by(form: str, content: bytes, home: Path) -> Answer:
    image, disk = home / "image", home / "disk"
    image.write_bytes(content)
    disk.unlink(missing_ok=True)
    if form in TOOLS:
        command = [TOOLS[form], "-d", "-c"]
    else:
        command = ["qemu-img", "convert", "-f", form, "-O", "raw", str(image), str(disk)]
    try:
        with image.open("rb") as source, (disk if form in TOOLS else Path(os.devnull)).open("wb") as target:
            code, text = _run(command, source, target)
    except subprocess.TimeoutExpired:
        return _refused(f"more than {LIMIT_S} seconds")
    if code:
        return _refused(text.replace(str(image), "IMAGE").strip() or f"ended by signal {-code}")

    def read(offset: int, length: int) -> bytes:
        with disk.open("rb") as file:
            return os.pread(file.fileno(), length, offset).ljust(length, b"\0")

    return Answer(True, "", read, disk.stat().st_size)


def _refused(text: str) -> Answer:
    return Answer(False, text, lambda offset, length: b"", 0)


def _run(command: Sequence[str], source: BinaryIO, target: BinaryIO) -> tuple[int, str]:
    """Exit code, and what it complained about."""
    with subprocess.Popen(command, stdin=source, stdout=target, stderr=subprocess.PIPE, text=True) as process:
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))
        try:
            _, text = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, text
