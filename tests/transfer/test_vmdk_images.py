"""Whatever qemu-img, guests and VMware's exports leave in one VMDK file: the disk is what QEMU says it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images import KIB, MIB, disk, identical, qemu_img, qemu_io, squeezed
from tests.transfer.imports import imported
from tests.transfer.webserver import WebServer
from tests.vmdk import ZERO_GRAINS, Export, Head, Sparse, write

Make = Callable[[Path, Path], object]


def written(*options: str) -> Make:
    return lambda raw, path: qemu_img(
        "convert", "-f", "raw", "-O", "vmdk", *(["-o", ",".join(options)] if options else []), raw, path
    )


def lived_in(seed: int, *options: str) -> Make:
    """Written by a guest in no order, and with zeros where the format can have them."""

    def make(raw: Path, path: Path) -> None:
        chance = random.Random(seed)
        qemu_img("create", "-q", "-f", "vmdk", *(["-o", ",".join(options)] if options else []), path, "12M")
        commands = []
        for number in range(40):
            offset, length = chance.randrange(0, 11 * MIB, 512), chance.choice((512, 2 * KIB, 64 * KIB, 150 * KIB))
            action = chance.choice((f"write -P {number + 1}", f"write -P {number + 1}", "write -z", "write -z -u"))
            commands.append(f"{action} {offset} {length}")
        qemu_io(path, *commands, form="vmdk")

    return make


def exported(**settings: object) -> Make:
    def make(raw: Path, path: Path) -> None:
        content = raw.read_bytes()
        head = Head(capacity=len(content) // 512, **settings.pop("head", {}))  # type: ignore[arg-type]
        write(path, Export(content, head, **settings).content())  # type: ignore[arg-type]

    return make


def put_together(sparse: Sparse) -> Make:
    return lambda raw, path: write(path, sparse.content())


STREAM = "subformat=streamOptimized"
IMAGES: dict[str, Make] = {
    "sparse": written(),
    "sparse, of version 6": written("compat6=on"),
    "sparse, for lsilogic": written("adapter_type=lsilogic"),
    "sparse, for buslogic": written("adapter_type=buslogic"),
    "sparse, for ESX": written("adapter_type=legacyESX"),
    "sparse, version 6 and zeroed grains": written("compat6=on", "zeroed_grain=on"),
    "sparse, zeroed grains": written("zeroed_grain=on"),
    "sparse, hardware version": written("hwversion=13", "toolsversion=11333"),
    "stream": written(STREAM),
    "stream, of version 6": written(STREAM, "compat6=on"),
    "stream, for lsilogic": written(STREAM, "adapter_type=lsilogic"),
    "stream, zeroed grains": written(STREAM, "zeroed_grain=on"),
    "written by a guest": lived_in(1),
    "written by a guest with zeroed grains": lived_in(2, "zeroed_grain=on"),
    "exported": exported(),
    "exported in no order": exported(backwards=True, head={"grain": 16, "table_entries": 64}),
    "exported with all tables last": exported(tables_last=True, head={"grain": 8}),
    "exported with large grains": exported(head={"grain": 2048}),
    "exported with grains of a sector": exported(head={"grain": 1, "table_entries": 300}),
    "a grain twice in the map": put_together(Sparse(table=(128, 0, 128))),
    "zeroed grain": put_together(
        Sparse(table=(128, 1), head=Head(flags=1 | ZERO_GRAINS, version=2, directory=21, compression=0))
    ),
    "end of the disk within a grain": put_together(
        Sparse(
            head=Head(version=1, flags=1, capacity=3 * 128 + 5, directory=21, compression=0), table=(128, 0, 0, 128, 77)
        )
    ),
    "empty": lambda raw, path: qemu_img("create", "-q", "-f", "vmdk", path, "10M"),
    "empty stream": lambda raw, path: qemu_img("create", "-q", "-f", "vmdk", "-o", STREAM, path, "10M"),
    "of one sector": lambda raw, path: qemu_img("create", "-q", "-f", "vmdk", path, "512"),
}


@pytest.fixture(scope="module")
def raw(web: WebServer) -> Path:
    """Ending within a grain."""
    return disk(web.files / "vmdk-source.raw", 5 * MIB + 512)


@pytest.mark.parametrize("name", IMAGES)
def test_the_disk_is_what_qemu_reads(name: str, web: WebServer, raw: Path, out: Path) -> None:
    path = web.files / f"{name.replace(' ', '-')}.vmdk"
    IMAGES[name](raw, path)
    by_range = imported(web.url(path), out)
    assert (by_range.message, by_range.format) == ("Import Complete", "vmdk")
    assert identical(path, out, "vmdk")
    disk_by_range = out.read_bytes()
    assert imported(web.url(path, "stream/"), out).message == "Import Complete"
    assert out.read_bytes() == disk_by_range


def test_only_what_is_allocated_travels(web: WebServer, out: Path) -> None:
    path = web.files / "mostly-zero.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", path, "64M")
    qemu_io(path, "write -P 5 3M 20M", "write -z 3M 19M", "write -P 1 50M 1M", form="vmdk")
    report = imported(web.url(path), out)
    assert identical(path, out, "vmdk")
    assert report.source_bytes < 3 * MIB < path.stat().st_size / 4


def test_compressed_around(web: WebServer, raw: Path, out: Path) -> None:
    inner = web.files / "inner.vmdk"
    written(STREAM)(raw, inner)
    report = imported(web.url(squeezed(inner, "gzip", "-1")), out)
    assert (report.error, report.format) == ("", "vmdk.gz")
    assert identical(inner, out, "vmdk")


def test_the_file_with_the_data_of_a_flat_disk(web: WebServer, raw: Path, out: Path) -> None:
    """It is what the refusal of its description says to serve."""
    path = web.files / "flat.vmdk"
    written("subformat=monolithicFlat")(raw, path)
    assert imported(web.url(path), out).hint.startswith("Serve flat-flat.vmdk instead")
    report = imported(web.url("flat-flat.vmdk"), out)
    assert (report.message, report.format) == ("Import Complete", "raw")
    assert out.read_bytes() == raw.read_bytes()
