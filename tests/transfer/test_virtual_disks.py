"""VDI, VHD and VHDX as qemu-img, guests and Azure leave them, by range and as a stream: what QEMU reads from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import crafted, images
from tests.crafted import Vdi, Vhd, Vhdx
from tests.images import KIB, MIB, disk, identical, qemu_io, squeezed
from tests.transfer.imports import imported
from tests.transfer.webserver import WebServer

Make = Callable[[Path, Path, str], Path]
WAYS = pytest.mark.parametrize("way", ["", "stream/"], ids=["by range", "as a stream"])


def written(*options: str) -> Make:
    return lambda raw, path, form: images.converted(raw, path, form, *options)


def lived_in(seed: int, *options: str) -> Make:
    return lambda raw, path, form: images.lived_in(path, seed, *options, form=form)


def empty(size: str, *options: str) -> Make:
    return lambda raw, path, form: images.empty(path, form, size, *options)


def far_apart(size: str, *options: str) -> Make:
    """Large and nearly empty."""

    def make(raw: Path, path: Path, form: str) -> Path:
        images.empty(path, form, size, *options)
        qemu_io(path, "write -P 1 4095M 2M", "write -P 2 8191M 1M", "write -P 3 0 64k", "write -z 4096M 4k", form=form)
        return path

    return make


IMAGES: dict[str, tuple[str, Make]] = {
    "vdi": ("vdi", written()),
    "vdi, static": ("vdi", written("static=on")),
    "vdi, lived in": ("vdi", lived_in(1)),
    "vdi, far apart": ("vdi", far_apart("9G")),
    "vdi, empty": ("vdi", empty("10M")),
    "vdi, empty, of no whole blocks": ("vdi", empty("1000000")),
    "vdi, empty and static": ("vdi", empty("3M", "static=on")),
    "vdi, of size 0": ("vdi", empty("0")),
    "vdi, of one sector": ("vdi", empty("512")),
    "vhd": ("vpc", written()),
    "vhd, size as it is": ("vpc", written("force_size=on")),
    "vhd, fixed": ("vpc", written("subformat=fixed")),
    "vhd, fixed, size as it is": ("vpc", written("subformat=fixed", "force_size=on")),
    "vhd, lived in": ("vpc", lived_in(2, "force_size=on")),
    "vhd, fixed, lived in": ("vpc", lived_in(3, "subformat=fixed")),
    "vhd, far apart": ("vpc", far_apart("9G")),
    "vhd, empty": ("vpc", empty("10M")),
    "vhd, empty, fixed": ("vpc", empty("3M", "subformat=fixed", "force_size=on")),
    "vhdx": ("vhdx", written()),
    "vhdx, fixed": ("vhdx", written("subformat=fixed")),
    "vhdx, blocks of 1M": ("vhdx", written("block_size=1M")),
    "vhdx, fixed, blocks of 1M": ("vhdx", written("subformat=fixed", "block_size=1M")),
    "vhdx, blocks of 32M": ("vhdx", written("block_size=32M")),
    "vhdx, large log": ("vhdx", written("log_size=3M")),
    "vhdx, zero blocks": ("vhdx", written("block_state_zero=on", "block_size=2M")),
    "vhdx, lived in": ("vhdx", lived_in(4, "block_size=1M")),
    "vhdx, lived in, blocks not present": ("vhdx", lived_in(5, "block_size=2M", "block_state_zero=off")),
    "vhdx, empty": ("vhdx", empty("10M")),
    "vhdx, empty, of no whole blocks": ("vhdx", empty("1000448")),
}


@pytest.fixture(scope="module")
def raw(web: WebServer) -> Path:
    """Several blocks, and ending within one."""
    return disk(web.files / "blocks.raw", 5 * MIB + 512)


@pytest.mark.parametrize("name", IMAGES)
def test_the_disk_is_what_qemu_reads(name: str, web: WebServer, raw: Path, out: Path) -> None:
    form, make = IMAGES[name]
    path = make(raw, web.files / f"{name.replace(' ', '-')}.img", form)
    for way in ("", "stream/"):
        report = imported(web.url(path, way), out)
        assert (report.message, report.format) == ("Import Complete", form)
        assert report.virtual_size_bytes == out.stat().st_size
        assert report.source_bytes <= path.stat().st_size, "a byte was fetched twice"
        assert identical(path, out, form)
    path.unlink()


GOOD: dict[str, tuple[str, Vdi | Vhd | Vhdx]] = {
    "vdi": ("vdi", Vdi()),
    "vdi of no whole sectors": ("vdi", Vdi(size=4 * MIB - 100)),
    "vdi, blocks that share their data": ("vdi", Vdi(map=(0, 0, 0xFFFFFFFE, 0))),
    "vhd without its footer at the end": ("vpc", Vhd(length=5 * 512 + MIB)),
    "vhd, blocks that share their data": ("vpc", Vhd(table=(4, 4, 0xFFFFFFFF, 4))),
    "vhd of one sector": ("vpc", Vhd(size=512)),
    "vhd by its geometry": ("vpc", Vhd(b"vpc ", geometry=(60, 4, 17))),
    "vhdx": ("vhdx", Vhdx()),
    "vhdx, first header newer": ("vhdx", Vhdx(numbers=(9, 8))),
    "vhdx, equal headers": ("vhdx", Vhdx(numbers=(8, 8))),
    "vhdx, first header damaged": ("vhdx", Vhdx(damaged=(0,))),
    "vhdx, second header damaged": ("vhdx", Vhdx(damaged=(1,))),
    "vhdx, empty log": ("vhdx", Vhdx(log_id=b"L" * 16)),
    "vhdx, log of an earlier time": ("vhdx", Vhdx(log_id=b"L" * 16, log=crafted.log_entry(b"M" * 16))),
    "vhdx, unmapped blocks": ("vhdx", Vhdx(bat=(5, 3, 4 * MIB | 6, 1))),
    "vhdx, blocks that share their data": ("vhdx", Vhdx(bat=(4 * MIB | 6, 4 * MIB | 6, 0, 4 * MIB | 6))),
    "vhdx, end within a block": ("vhdx", Vhdx(size=4 * MIB - 512)),
    "vhdx, metadata that need not be known": (
        "vhdx",
        Vhdx(more={"be5a0000-0000-0000-0000-000000000001": (0, b"?")}),
    ),
}


@WAYS
@pytest.mark.parametrize("name", GOOD)
def test_odd_but_good(name: str, way: str, web: WebServer, out: Path) -> None:
    form, image = GOOD[name]
    path = image.write(web.files / "odd.img")
    assert imported(web.url(path, way), out).message == "Import Complete"
    assert identical(path, out, form)


@WAYS
def test_entries_of_vhdx_that_are_no_blocks(way: str, web: WebServer, out: Path) -> None:
    """There is one after each 4 GiB. Read in places, because qemu-img compare would read all of the holes."""
    path = far_apart("9G", "block_size=1M")(out, web.files / "far.vhdx", "vhdx")
    assert imported(web.url(path, way), out).virtual_size_bytes == 9 << 30
    qemu_io(out, "read -P 3 0 64k", "read -P 0 64k 1M", "read -P 0 4094M 1M", "read -P 1 4095M 1M", form="raw")
    qemu_io(out, "read -P 0 4096M 4k", "read -P 1 4194308k 1020k", "read -P 0 4097M 1M", form="raw")
    qemu_io(out, "read -P 0 8190M 1M", "read -P 2 8191M 1M", "read -P 0 8192M 1M", form="raw")


@WAYS
def test_sectors_of_4_kib(way: str, web: WebServer, out: Path) -> None:
    """QEMU does not read these: an entry that is no block comes after 32768 blocks of 1 MiB, not after 4096."""
    path = Vhdx(sector_bytes=4096, size=5 << 30, bat=(4 * MIB | 6, *(0,) * 4095, 4 * MIB | 6)).write(
        web.files / "4k.vhdx"
    )
    assert imported(web.url(path, way), out).virtual_size_bytes == 5 << 30
    with out.open("rb") as file:
        for offset, content in ((0, crafted.BLOCK), (MIB, bytes(MIB)), (4096 * MIB, crafted.BLOCK)):
            file.seek(offset)
            assert file.read(MIB) == content


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ("vdi", ("gzip", "-1")),
        ("vdi", ("bzip2", "-1")),
        ("vpc", ("xz", "-0")),
        ("vhdx", ("gzip", "-1")),
        ("vhdx", ("zstd", "-1")),
    ],
    ids=str,
)
def test_compressed_around(form: str, command: tuple[str, ...], web: WebServer, raw: Path, out: Path) -> None:
    inner = images.converted(raw, web.files / f"inner.{form}", form)
    report = imported(web.url(squeezed(inner, *command)), out)
    suffix = {"gzip": "gz", "zstd": "zst", "bzip2": "bz2"}.get(command[0], command[0])
    assert (report.error, report.format) == ("", f"{form}.{suffix}")
    assert identical(inner, out, form)


def test_holes_do_not_travel(web: WebServer, out: Path) -> None:
    """Of a static VDI of 64 MiB everything is there; of a dynamic one with one block, only that travels."""
    for form, options in (("vdi", ()), ("vpc", ("force_size=on",)), ("vhdx", ("block_size=1M",))):
        path = images.empty(web.files / f"sparse.{form}", form, "64M", *options)
        qemu_io(path, "write -P 1 0 1M", "write -P 2 40M 4k", form=form)
        report = imported(web.url(path), out)
        assert report.source_bytes < 7 * MIB
        assert out.stat().st_blocks * 512 <= 2 * MIB
        assert identical(path, out, form)


@pytest.fixture(scope="module")
def fixed(web: WebServer) -> Path:
    """What Azure exports: 4 MiB and a footer."""
    raw = disk(web.files / "azure.raw", 4 * MIB, seed=3)
    return images.converted(raw, web.files / "azure.vhd", "vpc", "subformat=fixed", "force_size=on")


@pytest.mark.parametrize("way", ["", "stream/", "chunked/"])
@pytest.mark.parametrize("packed", [False, True], ids=["bare", "in gzip"])
def test_a_fixed_vhd_fits_into_a_volume_of_its_size(
    packed: bool, way: str, web: WebServer, fixed: Path, out: Path
) -> None:
    """Its footer does not, and the last sector of the disk, where the backup of the partition table is, is the last."""
    path = squeezed(fixed, "gzip", "-1") if packed else fixed
    report = imported(web.url(path, way), out, target={"size_bytes": 4 * MIB})
    assert (report.message, report.format) == ("Import Complete", "vpc.gz" if packed else "vpc")
    assert report.virtual_size_bytes == 4 * MIB
    assert out.read_bytes() == fixed.with_suffix(".raw").read_bytes()


NOT_FOOTERS = {
    "no footer": b"\x01" * 512,
    "a wrong sum": Vhd(kind=2, checksum=0).footer(),
    "that of a larger disk": Vhd(kind=2, size=5 * MIB).footer(),
    "that of a dynamic disk": Vhd(kind=3).footer(),
    "half a footer": Vhd(kind=2).footer()[:300],
    "a footer and more": Vhd(kind=2).footer() + b"\x02" * 512,
}


@WAYS
@pytest.mark.parametrize("name", NOT_FOOTERS)
def test_what_only_looks_like_a_footer_is_part_of_the_disk(name: str, way: str, web: WebServer, out: Path) -> None:
    content = crafted.BLOCK * 4 + NOT_FOOTERS[name]
    path = web.files / "no-footer.raw"
    path.write_bytes(content)
    report = imported(web.url(path, way), out)
    assert (report.message, report.format) == ("Import Complete", "raw")
    assert out.read_bytes() == content.ljust(-(-len(content) // 512) * 512, b"\0")


def test_a_raw_disk_that_is_a_sector_too_large(web: WebServer, out: Path) -> None:
    """It may be a fixed VHD, until its end has come."""
    path = web.files / "no-footer.raw"
    path.write_bytes(bytes(4 * MIB) + b"\x01" * 512)
    report = imported(web.url(path), out, target={"size_bytes": 4 * MIB})
    assert (
        f"virtual image size {4 * MIB + 512} is larger than the reported available storage {4 * MIB}" in report.message
    )
    assert not out.exists()


KNOWN_CREATORS = {b"qem2": 4 * MIB, b"win ": 4 * MIB, b"d2v ": 4 * MIB, b"CTXS": 4 * MIB, b"tap\0": 4 * MIB}
BY_GEOMETRY = (b"vpc ", b"vs  ", b"qemu", b"vbox", b"tapx", b"    ")


@pytest.mark.parametrize("creator", [*KNOWN_CREATORS, *BY_GEOMETRY], ids=repr)
def test_how_large_a_vhd_is_depends_on_who_made_it(creator: bytes, web: WebServer, out: Path) -> None:
    path = Vhd(creator, geometry=(100, 4, 17)).write(web.files / "creator.vhd")
    report = imported(web.url(path), out)
    assert report.virtual_size_bytes == KNOWN_CREATORS.get(creator, 100 * 4 * 17 * 512)
    assert identical(path, out, "vpc")


def test_azure_means_the_size_in_the_footer(web: WebServer, out: Path) -> None:
    """QEMU as well, since version 10."""
    path = Vhd(b"wa\0\0", geometry=(100, 4, 17)).write(web.files / "creator.vhd")
    assert imported(web.url(path), out).virtual_size_bytes == 4 * MIB


def test_the_largest_geometry_says_nothing(web: WebServer, out: Path) -> None:
    path = Vhd(b"vpc ", geometry=(65535, 16, 255)).write(web.files / "creator.vhd")
    assert imported(web.url(path), out).virtual_size_bytes == 4 * MIB
    assert identical(path, out, "vpc")


@pytest.mark.parametrize("block_kib", [64, 512, 2048])
def test_other_block_sizes_of_vhd(block_kib: int, web: WebServer, out: Path) -> None:
    """qemu-img makes them of 2 MiB only, and reads all."""
    entries = 4 * MIB // (block_kib * KIB)
    table = (4, *(0xFFFFFFFF,) * (entries - 1))
    path = Vhd(block_bytes=block_kib * KIB, entries=entries, table=table, length=3 * MIB).write(
        web.files / "blocks.vhd"
    )
    assert imported(web.url(path), out).succeeded
    assert identical(path, out, "vpc")
