"""The images that the tests import, made on the spot; qemu-img, which wrote them, says what must come out."""

from __future__ import annotations

import hashlib
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Image:
    """`path`: the file as it is served. The rest is about the disk inside."""

    path: Path
    virtual_bytes: int
    data_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name


def make_all(directory: Path) -> dict[str, Image]:
    """Every image, by file name."""
    small = raw(directory / "small.raw", size_bytes=16 * MIB, data_bytes=4 * MIB)
    medium = raw(directory / "medium.raw", size_bytes=64 * MIB, data_bytes=20 * MIB)
    made = [
        small,
        medium,
        qcow2(small, directory / "small.qcow2", "-c"),
        qcow2(medium, directory / "medium.qcow2", "-c"),
        page(directory / "page.html"),
    ]
    return {image.name: image for image in made}


def raw(path: Path, size_bytes: int, data_bytes: int) -> Image:
    """A disk with data at its start, at its end and in pieces between, no two alike."""
    chance = random.Random(path.name)
    pieces = data_bytes // MIB
    places = [0, size_bytes - MIB, *(MIB * n for n in chance.sample(range(1, size_bytes // MIB - 1), pieces - 2))]
    with path.open("wb") as file:
        file.truncate(size_bytes)
        for place in places:
            file.seek(place)
            file.write(chance.randbytes(MIB))
    return Image(path, size_bytes, data_bytes, sha256(path))


def qcow2(source: Image, path: Path, *options: str) -> Image:
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, source.path, path], check=True)
    return Image(path, source.virtual_bytes, source.data_bytes, source.sha256)


def page(path: Path) -> Image:
    """No disk at all, but bytes: what a user gets who copied the URL of a download page."""
    path.write_text("<!DOCTYPE html>\n<title>Downloads</title>\n" + "<p>Please choose a mirror near you.</p>\n" * 60)
    size_bytes = path.stat().st_size
    return Image(path, size_bytes, size_bytes, sha256(path))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
