"""Every disk image that the tests need, made on the spot with QEMU's own tools, which are also the oracle."""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20


def qemu_img(*arguments: str | Path) -> str:
    return _run("qemu-img", *arguments)


def qemu_io(image: Path, *commands: str, form: str = "qcow2") -> None:
    """Write into an image as a guest would: `write -P 7 64k 4k`, `write -z 0 1M`, `discard 0 64k`."""
    _run("qemu-io", "-f", form, *(part for command in commands for part in ("-c", command)), image)


def identical(image: Path, raw: Path, form: str = "") -> bool:
    """Whether a raw file holds what qemu-img reads from an image, byte for byte."""
    command = ("qemu-img", "compare", "-f", form or image_format(image), "-F", "raw", image, raw)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def image_format(image: Path) -> str:
    with image.open("rb") as file:
        return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"


def disk(path: Path, size_bytes: int, seed: int = 1) -> Path:
    """A raw disk as guests leave it: runs of data, of text and of nothing, at odd places, and something at the end."""
    chance = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size_bytes)
        offset = 0
        while offset < size_bytes:
            length = min(chance.choice((512, 4 * KIB, 13 * KIB, 64 * KIB, 200 * KIB, MIB)), size_bytes - offset)
            kind = chance.random()
            if kind < 0.5:
                file.seek(offset)
                file.write(chance.randbytes(length) if kind < 0.3 else (b"%08d " % offset * (length // 9 + 1))[:length])
            offset += length
        file.seek(max(size_bytes - 300, 0))
        file.write(b"the end"[:size_bytes])
    return path


def qcow2(raw: Path, path: Path, *options: str, packed: bool = False) -> Path:
    """Written as qemu-img convert writes it, e.g. with options cluster_size=4k, compat=0.10."""
    flags = ["-c"] if packed else []
    settings = ["-o", ",".join(options)] if options else []
    qemu_img("convert", "-f", "raw", "-O", "qcow2", *flags, *settings, raw, path)
    return path


def converted(raw: Path, path: Path, form: str, *options: str) -> Path:
    """In any other format, e.g. vpc with options subformat=fixed, force_size=on."""
    settings = ["-o", ",".join(options)] if options else []
    qemu_img("convert", "-f", "raw", "-O", form, *settings, raw, path)
    return path


def empty_qcow2(path: Path, size: str, *options: str) -> Path:
    return empty(path, "qcow2", size, *options)


def empty(path: Path, form: str, size: str, *options: str) -> Path:
    settings = ["-o", ",".join(options)] if options else []
    qemu_img("create", "-q", "-f", form, *settings, path, size)
    return path


def lived_in(path: Path, seed: int, *options: str, form: str = "qcow2") -> Path:
    """Written by a guest in no order, with zeroed and discarded parts: the file's order is not that of the disk."""
    chance = random.Random(seed)
    empty(path, form, "12M", *options)
    commands = []
    for number in range(40):
        offset, length = chance.randrange(0, 11 * MIB, 512), chance.choice((512, 2 * KIB, 64 * KIB, 150 * KIB))
        action = chance.choice(
            (f"write -P {number + 1}", f"write -P {number + 1}", "write -z", "discard", "write -z -u")
        )
        commands.append(f"{action} {offset} {length // 512 * 512}")
    qemu_io(path, *commands, form=form)
    return path


def with_snapshots(raw: Path, path: Path) -> Path:
    """Two internal snapshots between writes: old clusters that are not part of the disk any more."""
    qcow2(raw, path)
    for number in (1, 2):
        qemu_img("snapshot", "-c", f"before-{number}", path)
        qemu_io(path, f"write -P {number} {number * 100}k 300k")
    return path


def grown(raw: Path, path: Path) -> Path:
    """A small table first, then the disk grows so much that the L1 table moves behind the data."""
    qcow2(raw, path, "cluster_size=1k")
    qemu_img("resize", "-q", path, "64M")
    qemu_io(path, "write -P 9 50M 64k")
    return path


def repacked(raw: Path, path: Path) -> Path:
    """Compressed clusters, some of them overwritten plainly, some compressed again."""
    qcow2(raw, path, packed=True)
    qemu_io(path, "write -P 3 100k 10k", "write -c -P 4 1M 64k", "write -z 2M 64k", "discard 3M 128k")
    return path


@dataclass(frozen=True)
class Crafted:
    """A qcow2 file put together field by field, valid unless a field says otherwise: one cluster of data at 0."""

    version: int = 3
    cluster_bits: int = 16
    size: int = 4 * MIB
    backing: bytes = b""
    encryption: int = 0
    l1_entries: int = 1
    l1_offset: int = 3 << 16
    incompatible: int = 0
    refcount_offset: int = 1 << 16
    refcount_clusters: int = 1
    snapshots: int = 0
    snapshot_offset: int = 0
    refcount_order: int = 4
    header_length: int = 112
    compression: int = 0
    l1: tuple[int, ...] = (4 << 16 | 1 << 63,)
    l2: tuple[int, ...] = (5 << 16 | 1 << 63,)
    length: int = 6 << 16
    """Of the file."""

    def write(self, path: Path) -> Path:
        image = bytearray(max(self.length, 6 << 16))
        sizes = (512 if self.backing else 0, len(self.backing), self.cluster_bits, self.size, self.encryption)
        tables = (self.l1_entries, self.l1_offset, *self._tables())
        features = (self.incompatible, 0, 0, self.refcount_order, self.header_length, self.compression)
        head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", self.version, *sizes, *tables)
        head += struct.pack(">QQQIIB", *features)
        for offset, part in (
            (0, head),
            (512, self.backing),
            (3 << 16, struct.pack(f">{len(self.l1)}Q", *self.l1)),
            (4 << 16, struct.pack(f">{len(self.l2)}Q", *self.l2)),
            (5 << 16, b"\x5a" * (1 << 16)),
        ):
            image[offset : offset + len(part)] = part
        path.write_bytes(image[: self.length])
        return path

    def _tables(self) -> tuple[int, int, int, int]:
        return self.refcount_offset, self.refcount_clusters, self.snapshots, self.snapshot_offset


def squeezed(path: Path, *command: str) -> Path:
    """The file compressed beside itself, e.g. `gzip -6`, `xz -0 -T2 --block-size=1MiB`, `zstd -3`."""
    packed = path.with_name(f"{path.name}.{command[0]}{len(command)}")
    with path.open("rb") as source, packed.open("wb") as target:
        subprocess.run([*command, "-c"], stdin=source, stdout=target, check=True)
    return packed


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout
