"""Good images to begin with: small ones, of every kind that a format has. The same bytes each time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests import crafted, images
from tests.fuzz.places import Place, places_of, seal
from tests.images import KIB, MIB
from tests.vmdk import Export, Head, Sparse

Make = Callable[[Path, Path], object]
"""From a raw disk to an image of it, or of another."""

SEED = 7
"""Of a disk with data of every kind in its first 600 KiB."""
CODECS = {"gz": ("gzip", "-6"), "xz": ("xz", "-0"), "zst": ("zstd", "-3"), "bz2": ("bzip2", "-1")}
RANDOM_IDS: dict[str, tuple[tuple[int, int], ...]] = {
    "vdi": ((0x188, 32),),
    "vpc": ((24, 4), (68, 16), (-512 + 24, 4), (-512 + 68, 16)),
    "vhdx": ((64 * KIB + 8, 56), (128 * KIB + 8, 56), (MIB, MIB), (3 * MIB + 64 * KIB + 16, 16)),
}
"""What qemu-img makes anew each time, and nobody needs: for VHDX also its log, which is empty."""


@dataclass(frozen=True)
class Seed:
    form: str
    """What qemu-img calls the format, or the name of a codec."""
    content: bytes

    @cached_property
    def places(self) -> list[Place]:
        return places_of(self.form, self.content)


def _written(form: str, *options: str) -> Make:
    return lambda raw, path: images.converted(raw, path, form, *options)


def _packed(*options: str) -> Make:
    return lambda raw, path: images.qcow2(raw, path, *options, packed=True)


def _guest(form: str, *options: str) -> Make:
    """Written in no order, and zeroed in part."""

    def make(raw: Path, path: Path) -> None:
        images.empty(path, form, "3M", *options)
        commands = (
            "write -P 1 2560k 70k",
            "write -P 2 4k 9k",
            "write -P 3 1M 64k",
            "write -z 1M 8k",
            "write -z 2M 64k",
        )
        images.qemu_io(path, *commands, form=form)

    return make


def _export(raw: Path, path: Path) -> None:
    disk = raw.read_bytes()
    head = Head(capacity=len(disk) // 512, grain=16, table_entries=16)
    path.write_bytes(Export(disk, head).content())


def _squeezed(*command: str) -> Make:
    return lambda raw, path: images.squeezed(raw, *command).replace(path)


MAKE: dict[str, tuple[Make, ...]] = {
    "qcow2": (
        _written("qcow2"),
        _written("qcow2", "cluster_size=512"),
        _written("qcow2", "compat=0.10", "cluster_size=4k"),
        _written("qcow2", "extended_l2=on", "cluster_size=16k"),
        _packed(),
        _packed("cluster_size=4k", "compat=0.10"),
        _packed("compression_type=zstd", "cluster_size=16k"),
        _guest("qcow2", "cluster_size=4k"),
        _guest("qcow2", "extended_l2=on", "cluster_size=32k"),
        lambda raw, path: images.Crafted(l2=(5 << 16, 1, 0, 5 << 16 | 1)).write(path),
    ),
    "vmdk": (
        _written("vmdk"),
        _written("vmdk", "subformat=streamOptimized"),
        _guest("vmdk", "zeroed_grain=on"),
        lambda raw, path: path.write_bytes(Sparse().content()),
        _export,
    ),
    "vdi": (_written("vdi"), _written("vdi", "static=on"), _guest("vdi"), lambda raw, path: crafted.Vdi().write(path)),
    "vpc": (
        _written("vpc", "force_size=on"),
        _written("vpc", "subformat=fixed"),
        _guest("vpc"),
        lambda raw, path: crafted.Vhd().write(path),
    ),
    "vhdx": (_guest("vhdx", "block_size=1M"), lambda raw, path: crafted.Vhdx().write(path)),
    **{codec: (_squeezed(*command),) for codec, command in CODECS.items()},
}


def seeds_of(form: str, home: Path) -> list[Seed]:
    """Made in the directory `home`."""
    raw = images.disk(home / "seed.raw", 600 * KIB if form in CODECS else MIB + 9 * KIB, seed=SEED)
    return [Seed(form, _settled(form, content)) for content in _made(form, raw, home / "seed")]


def _made(form: str, raw: Path, path: Path) -> Iterator[bytes]:
    for make in MAKE[form]:
        make(raw, path)
        yield path.read_bytes()
        path.unlink()


def _settled(form: str, content: bytes) -> bytes:
    found = bytearray(re.sub(rb"\nCID=[0-9a-f]{8}", b"\nCID=12345678", content))
    for offset, length in RANDOM_IDS.get(form, ()) if _made_by_qemu(form, content) else ():
        offset %= len(found)
        if form != "vpc" or found[offset // 512 * 512 :].startswith(b"conectix"):
            found[offset : offset + length] = bytes(length)
    seal(form, found)
    return bytes(found)


def _made_by_qemu(form: str, content: bytes) -> bool:
    """What was crafted has no random numbers, and may have other things in their places."""
    return form != "vhdx" or "QEMU".encode("utf-16-le") in content[:64]
