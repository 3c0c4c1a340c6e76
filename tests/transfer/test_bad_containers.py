"""Container images that are broken, or made to do harm: one line for the user, and nothing where the disk would be."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.containers import (
    INDEX,
    Blobs,
    Member,
    device,
    directory,
    file,
    hard_link,
    squeezed,
    symlink,
    tar,
)
from tests.images import MIB
from tests.transfer.faulty import Fault, faulty
from tests.transfer.pulls import CONTENT, FAILED, OTHERS, from_archive, of_layers, pulled
from tests.transfer.registries import Registries


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([], "Failed to find VM disk image file in the container image"),
        ([file("disk.img", CONTENT)], "Failed to find VM disk image file"),
        ([directory("disk/sub")], "Failed to find VM disk image file"),
        ([file("disk/.wh.disk.img")], "Failed to find VM disk image file"),
        ([file("disk/../../etc/passwd", b"x")], "content filepath is tainted: disk/../../etc/passwd"),
        ([file("disk/..", b"x")], "content filepath is tainted"),
        ([symlink("disk/a", "../../etc/passwd")], "content filepath is tainted: ../../etc/passwd"),
        ([hard_link("disk/a", "../a")], "content filepath is tainted: ../a"),
        (
            [symlink("disk/a", "/etc/passwd")],
            "the disk disk/a is a link to /etc/passwd, which is not a file in the same",
        ),
        ([symlink("disk/a", "a")], "too many levels of symbolic links"),
        ([symlink("disk/a", "b"), symlink("disk/b", "a")], "too many levels of symbolic links"),
        ([file("disk/sub/a", CONTENT)], "image directory contains another directory"),
        ([device("disk/a")], "is not a file but a device"),
        ([file("disk/a", type=tarfile.FIFOTYPE)], "is not a file but a device"),
        ([file("disk/a", b"")], "could not process image header"),
        ([file("disk/a", b"<!DOCTYPE html>" + b"x" * 600)], "Invalid format html"),
        ([file("disk/a", CONTENT, pax_headers={"GNU.sparse.realsize": "5"})], "is stored as a sparse file of tar"),
        ([file("disk/a", CONTENT, type=tarfile.GNUTYPE_SPARSE)], "is stored as a sparse file of tar"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("codec", ["", "gz"])
def test_layers_that_hold_no_disk(members: list[Member], codec: str, told: str, out: Path) -> None:
    report = of_layers(squeezed(tar(*members), codec), out=out)
    assert told in report.message
    assert (report.error, out.exists()) == ("permanent", False)


def extended(size: int, body: bytes = b"") -> bytes:
    """A header that says that others follow, and what follows."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, size
    return member.tobuf(tarfile.USTAR_FORMAT if size < 8 << 30 else tarfile.GNU_FORMAT) + body


def sized(size: int) -> bytes:
    member = tarfile.TarInfo("disk/a")
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


WHOLE = tar(file("disk/a", CONTENT))


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (b"no tar, but text " * 100, "Failed to find VM disk image file"),
        (b"x", "Failed to find VM disk image file"),
        (b"", "Failed to find VM disk image file"),
        (WHOLE[:512], "unexpected EOF"),
        (WHOLE[: MIB // 2], "unexpected EOF"),
        (tar(*OTHERS)[:5000] + b"\1" * 512, "invalid tar header"),
        (extended(1 << 40), "an extended header of 1099511627776 bytes"),
        (extended(900_000, b"5 a=\n" * 10), "unexpected EOF"),
        (extended(6, b"6 a=b?".ljust(512, b"\0")), "an extended header makes no sense"),
        (extended(6, b"-6 a=b".ljust(512, b"\0")), "is no number"),
        (extended(19, b"19 size=-999999999\n".ljust(512, b"\0")) + sized(5), "is no number"),
        (extended(0) * 1000, "too many extended headers"),
        (sized(1 << 60) + bytes(2048), "unexpected EOF|is larger than the reported available storage"),
        (sized(-5) + bytes(2048), "negative size"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("codec", ["", "gz"])
def test_layers_that_are_broken(layer: bytes, codec: str, told: str, out: Path) -> None:
    report = of_layers(squeezed(layer, codec), out=out, target={"size_bytes": 1 << 62})
    assert re.search(told, report.message)
    assert (report.error, out.exists()) == ("permanent", False)


def test_a_bomb(out: Path) -> None:
    """Before the header of the disk: nothing of it is kept."""
    layer = squeezed(tar(file("zeros", bytes(32 * MIB)), file("disk/a", CONTENT)), "zst")
    assert of_layers(layer, out=out).succeeded


@pytest.mark.parametrize("codec", ["", "gz"])
def test_a_layer_that_is_not_what_its_digest_says(codec: str, there: Registries, out: Path) -> None:
    """A raw disk passes whole, so it is found out before anything is called done."""
    blobs = Blobs()
    layer = squeezed(tar(file("disk/a", CONTENT)), codec)
    made = blobs.image(layer)
    [digest] = [name for name, content in blobs.contents.items() if content == layer]
    blobs.contents[digest] = squeezed(tar(file("disk/a", bytes(3) + CONTENT[3:])), codec)
    report = from_archive(blobs, made, out)
    assert f"the layer {digest} is not what its digest says: got sha256:" in report.message
    assert (report.error, out.exists()) == ("permanent", False)


def test_a_damaged_registry(there: Registries, out: Path) -> None:
    blobs = Blobs()
    layer = squeezed(tar(file("disk/a", CONTENT + b"damaged")), "gz")
    made = blobs.image(layer)
    reference = blobs.push(f"http://{there.open}", "vms/damaged", "1", made)
    [digest] = [name for name, content in blobs.contents.items() if content == layer]
    content = there.blob(digest).read_bytes()
    there.blob(digest).write_bytes(content[:-5])
    report = pulled(f"docker://{there.open}/{reference}", out, insecure=True)
    assert (report.error, out.exists()) == ("permanent", False)
    there.blob(digest).unlink()
    report = pulled(f"docker://{there.open}/{reference}", out, insecure=True)
    assert report.message.startswith(f"{FAILED}failed to pull image: reading blob {digest}: ")
    assert "got 404" in report.message


def document(**fields: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **fields}).encode()


LAYER = {"digest": f"sha256:{'a' * 64}", "size": 5}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the manifest is not JSON"),
        (b"<html>", "the manifest is not JSON"),
        (b"[" * 100_000, "the manifest is not JSON"),
        (b"[]", "the manifest is not an object"),
        (b"{}", "the manifest names no layers"),
        (document(mediaType="text/html", layers=[]), "unsupported media type 'text/html'"),
        (document(mediaType=["x"], layers=[]), "unsupported media type"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "of the Docker format version 1"),
        (document(layers=[], manifests=[]), "the manifest is an index as well"),
        (document(layers="all"), "names a layer or image without saying which"),
        (document(config=LAYER, layers="all"), "no list where one belongs"),
        (document(config={"digest": "sha256:../../../etc/passwd", "size": 1}, layers=[]), "unsupported digest"),
        (document(config={**LAYER, "size": -1}, layers=[]), "cannot have -1 bytes"),
        (document(config={**LAYER, "size": "1"}, layers=[]), "cannot have '1' bytes"),
        (document(config=LAYER, layers=[]), f"sha256:{'a' * 64} is not in"),
        (document(manifests=[]), "no image found in image index for architecture"),
        (document(manifests=[LAYER]), f"sha256:{'a' * 64} is not in"),
        (document(manifests=[{**LAYER, "digest": 5}]), "unsupported digest 5"),
        (b" " * (5 << 20), "has 5242880 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_manifests_that_make_no_sense(content: bytes, told: str, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar(file("index.json", content)))
    report = pulled(f"oci-archive:{path}", out)
    assert report.message.startswith(FAILED)
    assert told in report.message
    assert (report.error, out.exists()) == ("permanent", False)


@pytest.mark.parametrize("config", [b"not json", b"[]", b"5"])
def test_configurations_that_make_no_sense(config: bytes, out: Path) -> None:
    blobs = Blobs()
    manifest = {"schemaVersion": 2, "config": blobs.put(config, "x"), "layers": []}
    assert "the configuration of the image is not" in from_archive(blobs, blobs.put_json(manifest, "x"), out).message


@pytest.mark.parametrize("label", [{"containers.bootc": "1"}, {"ostree.bootable": "true"}], ids=str)
def test_an_operating_system_is_no_disk(label: dict[str, str], out: Path) -> None:
    blobs = Blobs()
    report = from_archive(blobs, blobs.image(tar(*OTHERS), labels=label), out)
    assert report.message.startswith(f"{FAILED}bootc image detected: ")
    assert report.error == "permanent"


def test_an_index_in_an_index_in_an_index(out: Path) -> None:
    blobs = Blobs()
    made = blobs.image(tar(file("disk/a", CONTENT)))
    for _ in range(9):
        made = blobs.put_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [made]}, INDEX)
    assert "an index in an index, more than 4 times" in from_archive(blobs, made, out).message


def test_a_manifest_of_a_gigabyte(out: Path) -> None:
    """It is not read."""
    with faulty(b"", [Fault(headers=(("Content-Length", str(1 << 30)),))], ranges=False) as server:
        message = pulled(f"docker://127.0.0.1:{server.port}/x", out, insecure=True).message
    assert "has more than 4194304 bytes" in message


def test_a_registry_that_gives_another_manifest_than_asked_for(out: Path) -> None:
    digest = f"sha256:{'b' * 64}"
    with faulty(document(config=LAYER, layers=[]), ranges=False) as server:
        message = pulled(f"docker://127.0.0.1:{server.port}/x@{digest}", out, insecure=True).message
    assert "the manifest is not what its digest says: got sha256:" in message
