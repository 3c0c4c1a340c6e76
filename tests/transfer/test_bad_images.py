"""Hostile and broken input: one line that a user understands, nothing is called done, nothing is left."""

from __future__ import annotations

import gzip
import os
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.images import MIB, Crafted, empty_qcow2, identical, qemu_img, squeezed
from tests.transfer.imports import imported, refused
from tests.transfer.webserver import WebServer

PROCESS = "Unable to process data: "
CONVERT = f"{PROCESS}Unable to convert source data to target format: "
CORRUPT = f"{CONVERT}the image is corrupt: "
L1_JSON = '{"file.driver": "http", "file.url": "{url}", "file.timeout": 3600}'
COMPRESSED = 1 << 62
DATA = 5 << 16
ZLIB, ZSTD = 0, 1


QCOW2 = {
    "backing file": (
        Crafted(backing=b"/etc/passwd"),
        PROCESS + "Image {url} is invalid because it has invalid backing file /etc/passwd",
    ),
    "backing file that is not text": (Crafted(backing=b"\xff\xfe"), "invalid backing file \\xff\\xfe"),
    "external data file": (Crafted(incompatible=4), "is invalid because its data is in an external data file"),
    "AES": (Crafted(encryption=1), "is encrypted"),
    "LUKS": (Crafted(encryption=2), "is encrypted"),
    "L1 too big": (
        Crafted(l1_entries=1 << 31),
        f"{PROCESS}qemu-img: Could not open 'json: {L1_JSON}': L1 size too big",
    ),
    "L1 too small": (Crafted(size=1 << 40), "invalid qcow2 image: L1 table is too small"),
    "L1 not at a cluster": (Crafted(l1_offset=(3 << 16) + 8), "which is not the beginning of a cluster"),
    "L1 behind the end": (Crafted(l1_offset=1 << 40), "truncated: it refers to the bytes at 1099511627776"),
    "1 PiB": (
        Crafted(size=1 << 50, l1_entries=1 << 21, cluster_bits=21, l1_offset=2 << 21, refcount_offset=1 << 21),
        f"virtual image size {1 << 50} is larger than the reported available storage",
    ),
    "more than 8 EiB": (
        Crafted(size=1 << 63),
        "a virtual size of 9223372036854775808 bytes is absurd",
    ),
    "version 1": (Crafted(version=1), "qcow2 version 1 is not known"),
    "version 4": (Crafted(version=4), "qcow2 version 4 is not known"),
    "clusters of 256": (Crafted(cluster_bits=8), "the cluster size must be a power of two between 512 and 2048k"),
    "clusters of 4M": (Crafted(cluster_bits=22), "the cluster size must be a power of two between 512 and 2048k"),
    "clusters of 2^255": (Crafted(cluster_bits=255), "the cluster size must be a power of two"),
    "refcounts of 128 bits": (Crafted(refcount_order=7), "reference counts of more than 64 bits do not exist"),
    "no reference counts": (Crafted(refcount_clusters=0), "it has no reference counts"),
    "reference counts of 64 MiB": (
        Crafted(refcount_clusters=1024),
        "a reference count table of 1024 clusters is absurd",
    ),
    "reference counts not at a cluster": (
        Crafted(refcount_offset=99),
        "the reference counts lie at 99, which is not the",
    ),
    "reference counts behind everything": (
        Crafted(refcount_offset=(1 << 64) - (1 << 16)),
        "the reference counts lie at 1",
    ),
    "2^32 snapshots": (Crafted(snapshots=(1 << 32) - 1), "4294967295 snapshots are absurd"),
    "snapshots not at a cluster": (Crafted(snapshots=1, snapshot_offset=1), "the snapshots lie at 1, which is not the"),
    "unknown features": (Crafted(incompatible=1 << 5 | 1 << 40), "(incompatible feature bits 5, 40)"),
    "header too short": (Crafted(header_length=96), "a header of 96 bytes is absurd"),
    "header too long": (Crafted(header_length=1 << 31), "a header of 2147483648 bytes is absurd"),
    "unknown compression": (Crafted(incompatible=8, compression=7), "compression type 7 is not known"),
    "compression without its bit": (Crafted(compression=1), "compression type 1 is not known"),
    "extended L2 with small clusters": (Crafted(incompatible=16, cluster_bits=12), "need clusters of at least 16k"),
    "L2 not at a cluster": (Crafted(l1=((4 << 16) + 512,)), f"{CORRUPT}an L2 table lies at 262656"),
    "L2 behind the end": (Crafted(l1=(1 << 40,)), "truncated: it refers to the bytes at 1099511627776"),
    "data not at a cluster": (Crafted(l2=(DATA + 512,)), f"{CORRUPT}the data of the cluster at 0 lies at 328192"),
    "zeros not at a cluster": (Crafted(l2=(DATA + 513,)), f"{CORRUPT}the data of the cluster at 0 lies at 328192"),
    "data behind the end": (Crafted(l2=(1 << 40,)), "truncated: it refers to the bytes at 1099511627776"),
    "zero cluster in version 2": (
        Crafted(version=2, l2=(1,)),
        f"{CORRUPT}a zero cluster at 0 in an image of version 2",
    ),
    "compressed garbage": (Crafted(l2=(COMPRESSED | DATA,)), f"{CORRUPT}the compressed cluster at 0 "),
    "compressed and behind the end": (
        Crafted(l2=(COMPRESSED | 7 << 16,)),
        "truncated: it refers to the bytes at 458752",
    ),
    "subclusters both data and zero": (
        Crafted(incompatible=16, l2=(DATA, 1 << 32 | 1)),
        f"{CORRUPT}the subclusters of the cluster at 0 contradict each other",
    ),
    "subclusters without a cluster": (Crafted(incompatible=16, l2=(0, 1)), "contradict each other"),
    "compressed with subclusters": (
        Crafted(incompatible=16, l2=(COMPRESSED | DATA, 1)),
        f"{CORRUPT}the compressed cluster at 0 has subclusters",
    ),
    "cut off in the header": (Crafted(length=400), "could not process image header: it has 400 bytes"),
    "cut off in the L1 table": (Crafted(length=3 << 16), "truncated: it refers to the bytes at 196608"),
    "cut off in the L2 table": (Crafted(length=(4 << 16) + 100), "truncated: it refers to the bytes at 262244"),
    "cut off before the data": (Crafted(length=DATA), "truncated: it refers to the bytes at 327680"),
}


@pytest.mark.parametrize("way", ["", "stream/"], ids=["by range", "as a stream"])
@pytest.mark.parametrize("name", QCOW2)
def test_bad_qcow2(name: str, way: str, web: WebServer, out: Path) -> None:
    crafted, words = QCOW2[name]
    url = web.url(crafted.write(web.files / "bad.qcow2"), way)
    report = imported(url, out)
    assert report.error == "permanent"
    assert words.replace("{url}", url) in report.message
    assert report.message.startswith(PROCESS)
    assert "\n" not in report.message
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("way", ["", "stream/"], ids=["by range", "as a stream"])
@pytest.mark.parametrize(
    "crafted",
    [
        Crafted(),
        Crafted(incompatible=1),
        Crafted(incompatible=2),
        Crafted(l1=(4 << 16,)),
        Crafted(l2=(DATA, 1, 0, DATA | 1)),
        Crafted(length=DATA + 1000),
        Crafted(size=4 * MIB + 100),
        Crafted(l1=(4 << 16, 4 << 16), l1_entries=2, size=1 << 30),
        Crafted(refcount_offset=1 << 40, snapshots=0, snapshot_offset=1 << 40),
    ],
    ids=[
        "plain",
        "dirty",
        "corrupt bit",
        "not copied",
        "zero flags",
        "cut off in the last cluster",
        "no whole sectors",
        "two L2 that are one",
        "no reference counts where they should be",
    ],
)
def test_odd_but_good_qcow2(crafted: Crafted, way: str, web: WebServer, out: Path) -> None:
    path = crafted.write(web.files / "odd.qcow2")
    assert imported(web.url(path, way), out).message == "Import Complete"
    assert "identical" in qemu_img("compare", "-f", "qcow2", "-F", "raw", path, out)


@pytest.mark.parametrize(
    "crafted",
    [Crafted(l1=(3 << 16,)), Crafted(l2=(4 << 16, 3 << 16, 1 << 16, 0))],
    ids=["L1 that is its own L2", "tables that are data"],
)
def test_tables_that_overlap(crafted: Crafted, web: WebServer, out: Path) -> None:
    """QEMU reads these, and so do we, unless the bytes have passed."""
    path = crafted.write(web.files / "overlapping.qcow2")
    refused(web.url(path, "stream/"), out, "and this source can be read only once, from beginning to end")
    assert imported(web.url(path), out).message == "Import Complete"
    assert identical(path, out)


def test_clusters_that_share_their_data(web: WebServer, out: Path) -> None:
    path = Crafted(l2=(DATA, DATA, 0, DATA)).write(web.files / "shared.qcow2")
    report = imported(web.url(path), out)
    assert "identical" in qemu_img("compare", "-f", "qcow2", "-F", "raw", path, out)
    assert report.source_bytes <= path.stat().st_size


def with_cluster(path: Path, body: bytes, compression: int) -> Path:
    """An image with one compressed cluster."""
    entry = COMPRESSED | (len(body) + 511) // 512 << 54 | DATA
    content = bytearray(
        Crafted(l2=(entry,), incompatible=8 * compression, compression=compression).write(path).read_bytes()
    )
    content[DATA : DATA + len(body)] = body
    path.write_bytes(content)
    return path


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-12)
    return deflate.compress(data) + deflate.flush()


def test_a_bomb_in_a_cluster(web: WebServer, out: Path) -> None:
    """More comes out of it than a cluster holds: QEMU takes the first cluster of it, and so do we."""
    path = with_cluster(web.files / "bomb.qcow2", deflated(bytes([7]) * 4 * MIB), ZLIB)
    assert imported(web.url(path), out).succeeded
    assert identical(path, out)


@pytest.mark.parametrize("length", [(64 << 10) + 1, 4 * MIB], ids=["a byte too many", "a bomb"])
def test_a_bomb_in_a_zstd_cluster(length: int, web: WebServer, out: Path) -> None:
    """This QEMU refuses."""
    body = subprocess.run(["zstd", "-c"], input=bytes([7]) * length, stdout=subprocess.PIPE, check=True).stdout
    path = with_cluster(web.files / "bomb.qcow2", body, ZSTD)
    refused(web.url(path), out, f"{CORRUPT}the compressed cluster at 0 ")


REFUSED = {
    "encrypted with AES": (("qcow2", "encrypt.format=aes,encrypt.key-secret=key"), "is encrypted"),
    "data elsewhere": (("qcow2", "data_file={home}/data.raw"), "its data is in an external data file"),
    "raw data elsewhere": (("qcow2", "data_file={home}/data.raw,data_file_raw=on"), "in an external data file"),
    "qed": (("qed", "cluster_size=64k"), "Invalid format qed for image"),
    "parallels": (("parallels", "cluster_size=1M"), "Invalid format parallels for image"),
    **{
        f"vmdk {form}": (("vmdk", f"subformat={form}"), "Invalid format vmdk for image")
        for form in ("monolithicFlat", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse")
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_qemu_img_makes_and_we_refuse(name: str, web: WebServer, out: Path) -> None:
    (form, options), words = REFUSED[name]
    path = web.files / f"refused.{form}"
    key = ("--object", "secret,id=key,data=12345678")
    qemu_img("create", "-q", *key, "-f", form, "-o", options.format(home=web.files), path, "1M")
    refused(web.url(path), out, words)


def test_real_backing_file(web: WebServer, out: Path) -> None:
    base = empty_qcow2(web.files / "base.qcow2", "1M")
    child = web.files / "child.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", child)
    assert f"invalid backing file {base}" in imported(web.url(child), out).message


NOTHING = bytes(512)
NOT_IMAGES = {
    "empty": (b"", "could not process image header: it has 0 bytes"),
    "one byte": (b"Q", "could not process image header: it has 1 bytes"),
    "html": (b"<!DOCTYPE html>\n<html><head><title>404</title>" + b" " * 600, "Invalid format html for image"),
    "html after blank lines": (b"\n\n  <HTML><body>" + b"x" * 600, "Invalid format html for image"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>' + b" " * 600, "Invalid format xml for image"),
    "json": (b'{"message": "' + b"x" * 600, "Invalid format text for image"),
    "text in any language": ("äöü\n".encode() * 200, "Invalid format text for image"),
    "vmdk": (b"KDMV" + NOTHING, "invalid vmdk image: vmdk version 0 is not known"),
    "vmdk description": (b"# Disk DescriptorFile\nversion=1\n" + b"x" * 600, "Invalid format vmdk for image"),
    "zip": (b"PK\x03\x04" + NOTHING, "Invalid format zip for image"),
    "bzip2 garbage": (b"BZh91AY&SY" + NOTHING, "the bz2 data is broken"),
    "gzip garbage": (b"\x1f\x8b" + b"\xff" * 600, "the gz data is broken"),
    "gzip cut off": (gzip.compress(os.urandom(3 * MIB))[:MIB], "the gz data is broken: unexpected end of data"),
    "gzip with a wrong sum": (gzip.compress(os.urandom(MIB))[:-8] + b"\1\2\3\4\0\0\x10\0", "the gz data is broken"),
    "gzip and more": (gzip.compress(os.urandom(MIB)) + b"garbage", "the gz data is broken"),
    "html in gzip": (gzip.compress(b"<html>" + b" " * 600), "Invalid format html for image"),
    "nothing in gzip": (gzip.compress(b""), "could not process image header: it has 0 bytes"),
    "xz garbage": (b"\xfd7zXZ\x00" + b"\xff" * 600, "the xz data is broken"),
    "zstd garbage": (b"\x28\xb5\x2f\xfd" + b"\xff" * 600, "the zst data is broken"),
    "gzip in gzip in gzip ...": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(os.urandom(9000)))))),
        "the image is compressed more than 4 times",
    ),
}


@pytest.mark.parametrize("name", NOT_IMAGES)
def test_not_an_image(name: str, web: WebServer, out: Path) -> None:
    content, words = NOT_IMAGES[name]
    path = web.files / "not-an-image"
    path.write_bytes(content)
    report = imported(web.url(path), out)
    assert report.error == "permanent"
    assert report.message.startswith(PROCESS)
    assert words in report.message
    assert not out.exists()


def test_a_web_page(web: WebServer, out: Path) -> None:
    report = imported(web.url("page"), out)
    assert report.message == f"{PROCESS}Invalid format html for image {web.url('page')}"
    assert "not an image" in report.hint


BOMBS = {
    "gzip": ("gzip", "-9"),
    "xz": ("xz", "-0"),
    "zstd": ("zstd", "-1"),
    "bzip2": ("bzip2", "-1"),
}


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("codec", BOMBS)
def test_a_bomb_costs_no_more_than_the_volume(codec: str, twice: bool, web: WebServer, out: Path) -> None:
    path = web.files / "zeros"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    bomb = squeezed(path, *BOMBS[codec])
    assert bomb.stat().st_size < MIB
    report = imported(web.url(squeezed(bomb, "gzip", "-9") if twice else bomb), out, target={"size_bytes": 10 * MIB})
    assert f"is larger than the reported available storage {10 * MIB}. A larger PVC is required" in report.message
    assert not out.exists()
