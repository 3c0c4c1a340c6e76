"""Whatever qemu-img and guests write, read by range and as a pure stream: the disk is what QEMU says it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import images
from tests.images import MIB, disk, identical, qcow2, qemu_img
from tests.transfer.imports import imported
from tests.transfer.webserver import WebServer

Make = Callable[[Path, Path], Path]


def written(*options: str, packed: bool = False) -> Make:
    return lambda raw, path: qcow2(raw, path, *options, packed=packed)


def lived_in(seed: int, *options: str) -> Make:
    return lambda raw, path: (images.lived_in(path, seed, *options), path)[1]


def empty(size: str, *options: str) -> Make:
    return lambda raw, path: images.empty_qcow2(path, size, *options)


def converted(*flags: str) -> Make:
    def make(raw: Path, path: Path) -> Path:
        qemu_img("convert", "-f", "raw", "-O", "qcow2", *flags, raw, path)
        return path

    return make


def amended(option: str) -> Make:
    def make(raw: Path, path: Path) -> Path:
        qemu_img("amend", "-f", "qcow2", "-o", option, images.qcow2(raw, path))
        return path

    return make


def with_bitmap(raw: Path, path: Path) -> Path:
    qemu_img("bitmap", "--add", "-f", "qcow2", images.qcow2(raw, path), "changes")
    return path


def shrunken(raw: Path, path: Path) -> Path:
    qemu_img("resize", "-q", "--shrink", "-f", "qcow2", images.qcow2(raw, path, "cluster_size=512"), "1M")
    return path


IMAGES: dict[str, Make] = {
    "version 3": written(),
    "version 2": written("compat=0.10"),
    **{f"clusters of {1 << bits}": written(f"cluster_size={1 << bits}") for bits in range(9, 22) if bits != 16},
    "version 2, clusters of 1k": written("compat=0.10", "cluster_size=1k"),
    "lazy refcounts": written("lazy_refcounts=on"),
    **{f"refcounts of {bits} bits": written(f"refcount_bits={bits}") for bits in (1, 2, 4, 8, 32, 64)},
    "extended L2": written("extended_l2=on"),
    "extended L2, clusters of 16k": written("extended_l2=on", "cluster_size=16k"),
    "extended L2, clusters of 2M": written("extended_l2=on", "cluster_size=2M"),
    "metadata preallocated": written("preallocation=metadata"),
    "fully preallocated": written("preallocation=full"),
    "space preallocated": written("preallocation=falloc"),
    "extended L2, preallocated": written("extended_l2=on", "preallocation=metadata"),
    "written in no order": converted("-W", "-m", "16"),
    "written without holes": converted("-S", "0"),
    "compressed in no order": converted("-c", "-W"),
    "made version 2 later": amended("compat=0.10"),
    "refcounts changed later": amended("refcount_bits=64"),
    "with bitmaps": with_bitmap,
    "of a shrunken disk": shrunken,
    "zlib": written(packed=True),
    "zlib, version 2": written("compat=0.10", packed=True),
    "zlib, clusters of 512": written("cluster_size=512", packed=True),
    "zlib, clusters of 4k": written("cluster_size=4k", packed=True),
    "zlib, clusters of 2M": written("cluster_size=2M", packed=True),
    "zlib, extended L2": written("extended_l2=on", packed=True),
    "zstd": written("compression_type=zstd", packed=True),
    "zstd, extended L2": written("compression_type=zstd", "extended_l2=on", packed=True),
    "zstd, clusters of 4k": written("compression_type=zstd", "cluster_size=4k", packed=True),
    "zstd, clusters of 2M": written("compression_type=zstd", "cluster_size=2M", packed=True),
    "lived in": lived_in(1),
    "lived in, clusters of 4k": lived_in(2, "cluster_size=4k"),
    "lived in, extended L2": lived_in(3, "extended_l2=on", "cluster_size=32k"),
    "lived in, extended L2, clusters of 128k": lived_in(4, "extended_l2=on", "cluster_size=128k"),
    "compressed and written again": images.repacked,
    "snapshots inside": images.with_snapshots,
    "table moved by growing": images.grown,
    "empty": empty("10M"),
    "empty, not of whole clusters": empty("1000000"),
    "of size 0": empty("0"),
    "of one sector": empty("512"),
}


@pytest.fixture(scope="module")
def raw(web: WebServer) -> Path:
    """Large enough for several tables of small clusters, and ending within a cluster."""
    return disk(web.files / "source.raw", 5 * MIB + 512)


@pytest.mark.parametrize("name", IMAGES)
def test_the_disk_is_what_qemu_reads(name: str, web: WebServer, raw: Path, out: Path) -> None:
    path = web.files / f"{name.replace(' ', '-')}.qcow2"
    IMAGES[name](raw, path)
    by_range = imported(web.url(path), out)
    assert (by_range.message, by_range.format) == ("Import Complete", "qcow2")
    assert identical(path, out)
    disk_by_range = out.read_bytes()
    as_stream = imported(web.url(path, "stream/"), out)
    assert (as_stream.message, as_stream.format) == ("Import Complete", "qcow2")
    assert out.read_bytes() == disk_by_range


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("options", [(), ("extended_l2=on", "cluster_size=16k"), ("cluster_size=512",)], ids=str)
def test_what_guests_leave(seed: int, options: tuple[str, ...], web: WebServer, out: Path) -> None:
    path = web.files / f"guest-{seed}-{hash(options)}.qcow2"
    images.lived_in(path, 100 + seed, *options)
    assert imported(web.url(path), out).succeeded
    assert identical(path, out)


def test_only_what_is_allocated_travels(web: WebServer, raw: Path, out: Path) -> None:
    """The old clusters of snapshots and the reference counts stay where they are."""
    path = web.files / "much-unused.qcow2"
    qcow2(disk(web.files / "first.raw", 24 * MIB, seed=5), path)
    images.qemu_img("snapshot", "-c", "old", path)
    images.qemu_io(path, "write -z -u 0 24M", "write -P 1 7M 1M")
    report = imported(web.url(path), out)
    assert identical(path, out)
    assert report.source_bytes < path.stat().st_size / 4


@pytest.mark.parametrize(
    ("command", "form"),
    [
        (("gzip", "-6"), "qcow2.gz"),
        (("xz", "-0"), "qcow2.xz"),
        (("xz", "-0", "-T2", "--block-size=1MiB"), "qcow2.xz"),
        (("zstd", "-3"), "qcow2.zst"),
        (("bzip2", "-1"), "qcow2.bz2"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_compressed_around(command: tuple[str, ...], form: str, web: WebServer, raw: Path, out: Path) -> None:
    inner = web.files / "inner.qcow2"
    if not inner.exists():
        qcow2(raw, inner)
    report = imported(web.url(images.squeezed(inner, *command)), out)
    assert (report.error, report.format) == ("", form)
    assert identical(inner, out)
