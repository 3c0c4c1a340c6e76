"""Disks in container images, from a registry and from an archive: which image, which layer, which file, no more."""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest

from tests.containers import (
    CODECS,
    Blobs,
    Member,
    directory,
    file,
    hard_link,
    squeezed,
    symlink,
    tar,
)
from tests.images import MIB, disk, qcow2
from tests.transfer.pulls import CONTENT, FAILED, OTHERS, from_archive, holds, of_layers, pulled
from tests.transfer.registries import Registries


@pytest.mark.parametrize(
    ("name", "codec"),
    [("./disk/disk.img", ""), ("/disk/any name", ""), *[("disk/disk.img", codec) for codec in CODECS]],
)
def test_layers(name: str, codec: str, there: Registries, out: Path) -> None:
    blobs = Blobs()
    made = blobs.image(tar(*OTHERS), squeezed(tar(*OTHERS, directory("disk"), file(name, CONTENT)), codec))
    reference = blobs.push(f"http://{there.open}", "vms/layers", "1", made)
    report = pulled(f"docker://{there.open}/{reference}", out, insecure=True)
    assert report.message == "Import Complete"
    assert holds(out, CONTENT)
    out.unlink()
    assert from_archive(blobs, made, out).succeeded
    assert holds(out, CONTENT)


@pytest.mark.parametrize("codec", ["", "gz"])
@pytest.mark.parametrize("packing", ["", "gz"])
@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_images_of_every_kind(format: str, packing: str, codec: str, tmp_path: Path, out: Path) -> None:
    raw = disk(tmp_path / "source.raw", 4 * MIB)
    path = qcow2(raw, tmp_path / "image.qcow2") if format == "qcow2" else raw
    layer = squeezed(tar(file("disk/image", squeezed(path.read_bytes(), packing))), codec)
    report = of_layers(layer, out=out)
    assert (report.message, report.format) == ("Import Complete", f"{format}.{packing}".strip("."))
    assert holds(out, raw.read_bytes())


def test_only_what_is_needed_travels(there: Registries, out: Path) -> None:
    """Of 30 MiB around the disk, and after it, in a layer that can be read by range."""
    filler = file("big", bytes(15 * MIB))
    blobs = Blobs()
    made = blobs.image(tar(filler, file("disk/a", CONTENT), filler), tar(filler))
    reference = blobs.push(f"http://{there.open}", "vms/needed", "1", made)
    report = pulled(f"docker://{there.open}/{reference}", out, insecure=True)
    assert report.succeeded
    assert report.source_bytes < len(CONTENT) + MIB
    assert holds(out, CONTENT)


@pytest.mark.parametrize("codec", ["", "gz"])
def test_a_registry_without_ranges(codec: str, there: Registries, out: Path) -> None:
    blobs = Blobs()
    made = blobs.image(squeezed(tar(*OTHERS, file("disk/a", CONTENT)), codec))
    reference = blobs.push(f"http://{there.open}", "vms/rangeless", "1", made)
    assert pulled(f"docker://{there.rangeless}/{reference}", out, insecure=True).succeeded
    assert holds(out, CONTENT)


def test_a_compressed_layer_is_cut_off_behind_the_disk(out: Path) -> None:
    rest = file("rest", random.Random(2).randbytes(24 * MIB))
    report = of_layers(squeezed(tar(file("disk/a", CONTENT), rest), "zst"), out=out)
    assert report.succeeded
    assert report.source_bytes < len(CONTENT) + 16 * MIB


def test_progress_counts_what_travels(out: Path) -> None:
    from importer_image.progress import Progress

    progress = Progress()
    layer = squeezed(tar(file("disk/a", CONTENT + bytes(8 * MIB))), "gz")
    assert of_layers(tar(*OTHERS), layer, out=out, progress=progress).succeeded
    assert progress.total_bytes is not None
    assert progress.source_bytes == pytest.approx(progress.total_bytes, rel=0.01)


@pytest.mark.parametrize(
    "members",
    [
        [file("disk/first", CONTENT), file("disk/second", b"no")],
        [directory("disk"), file("disk/.wh.gone"), file("disk/.wh..wh..opq"), file("disk/first", CONTENT)],
        [file("diskette/x", b"no"), file("other/disk/x", b"no"), file("disk", b"no"), file("disk/first", CONTENT)],
        [symlink("disk/a", "b"), file("disk/b", CONTENT)],
        [file("images/b", CONTENT), symlink("disk/a", "../images/b")],
        [file("images/b", CONTENT), symlink("disk/a", "/images/b")],
        [file("images/b", CONTENT), hard_link("disk/a", "images/b")],
        [file("c", CONTENT), symlink("b", "c"), hard_link("disk/a", "./b")],
        [file(f"disk/{'long' * 60}", CONTENT)],
        [file("disk/ümläut", CONTENT, pax_headers={"SCHILY.xattr.user.x": "y" * 5000})],
    ],
    ids=lambda members: " ".join(member.name for member, _ in members)[:40],
)
@pytest.mark.parametrize("codec", ["", "gz"])
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_which_file_is_the_disk(members: list[Member], format: int, codec: str, out: Path) -> None:
    report = of_layers(squeezed(tar(*members, format=format), codec), out=out)
    assert report.message == "Import Complete"
    assert holds(out, CONTENT)


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
@pytest.mark.parametrize("nested", [False, True])
def test_architectures(docker: bool, nested: bool, there: Registries, out: Path) -> None:
    blobs = Blobs()
    contents = {name: CONTENT[:-512] + name.encode() * (512 // len(name)) for name in ("amd64", "arm64", "s390x")}
    images = {
        name: blobs.image(tar(file("disk/a", content[: MIB // 2])), architecture=name, docker=docker)
        for name, content in contents.items()
    }
    made = blobs.index(images, docker=docker)
    if nested:
        made = blobs.index({"arm64": blobs.index(images), "absent?": made}, docker=docker)
    reference = blobs.push(f"http://{there.open}", "vms/multi", "latest", made).removesuffix(":latest")
    url = f"docker://{there.open}/{reference}"
    assert pulled(url, out, insecure=True, platform_architecture="arm64").succeeded
    assert holds(out, contents["arm64"][: MIB // 2])
    kind = "manifest list" if docker else "image index"
    report = pulled(url, out, insecure=True, platform_architecture="absent")
    assert report.message == (
        f"{FAILED}Error retrieving image: choosing image instance: no image found in {kind} "
        'for architecture "absent", variant "", OS "linux"'
    )
    assert report.error == "permanent"


def test_an_image_for_another_architecture(out: Path) -> None:
    blobs = Blobs()
    made = blobs.image(tar(file("disk/a", CONTENT)), architecture="s390x")
    assert from_archive(blobs, made, out).succeeded
    report = from_archive(blobs, made, out, platform_architecture="arm64")
    assert report.message == (
        f'{FAILED}manifest image architecture: "s390x" doesn\'t match requested architecture: "arm64"'
    )


def test_by_digest(there: Registries, out: Path) -> None:
    blobs = Blobs()
    made = blobs.image(tar(file("disk/a", CONTENT)))
    blobs.push(f"http://{there.open}", "vms/digest", "1", made)
    assert pulled(f"docker://{there.open}/vms/digest@{made['digest']}", out, insecure=True).succeeded
    assert pulled(f"docker://{there.open}/vms/digest:any@{made['digest']}", out, insecure=True).succeeded


def test_an_archive_with_several_images(tmp_path: Path, out: Path) -> None:
    blobs = Blobs()
    key = "org.opencontainers.image.ref.name"
    named = [
        {**blobs.image(tar(file("disk/a", content))), "annotations": {key: name}}
        for name, content in {"no": bytes(MIB), "yes": CONTENT}.items()
    ]
    path = blobs.archive(tmp_path / "images.tar", *named)
    assert pulled(f"oci-archive:{path}:yes", out).succeeded
    assert holds(out, CONTENT)
    assert "no image 'maybe' in" in pulled(f"oci-archive:{path}:maybe", out).message


def test_labels_for_the_claim(out: Path) -> None:
    blobs = Blobs()
    made = blobs.image(
        tar(file("disk/a", CONTENT)),
        environment=[
            "PATH=/bin",
            "INSTANCETYPE_KUBEVIRT_IO_DEFAULT_INSTANCETYPE=u1.medium",
            "TEST_KUBEVIRT_IO_TEST=testing",
            "TEST_KUBEVIRT_IO_BAD=not a label",
        ],
    )
    wanted = {"instancetype.kubevirt.io/default-instancetype": "u1.medium", "test.kubevirt.io/test": "testing"}
    assert from_archive(blobs, made, out).labels == wanted
    checksum = f"sha256:{__import__('hashlib').sha256(CONTENT).hexdigest()}"
    assert from_archive(blobs, made, out, checksum=checksum).labels == wanted
