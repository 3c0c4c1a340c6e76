"""Disks in container images: real registries with passwords and tokens, archives, and images made to do harm."""

from __future__ import annotations

import json
import random
import re
import tarfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer_image import job
from importer_image.job import Report
from importer_image.source import http, patience, reader
from importer_image.source.http import HttpSource, first_visit
from importer_image.source.registry.badge import RegistryBadge
from importer_image.source.site import Site
from tests import prerequisites
from tests.containers import (
    CODECS,
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
from tests.images import MIB, disk, qcow2
from tests.transfer.faulty import Fault, faulty
from tests.transfer.imports import imported
from tests.transfer.proxy import proxying
from tests.transfer.registries import LOGIN, Registries, registries
from tests.transfer.webserver import free_port

FAILED = "Unable to process data: Unable to transfer source data to scratch space: Failed to read registry image: "
NO_DISK = f"{FAILED}Failed to find VM disk image file in the container image"
CONTENT = b"\xeb\x63\x90" + random.Random(1).randbytes(MIB - 3)
OTHERS = [file(f"usr/share/{number}", random.Random(number).randbytes(number * 97 % 3000)) for number in range(300)]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    missing = prerequisites.missing()
    assert not missing, f"apt install {' '.join(missing)}"
    with registries(tmp_path_factory.mktemp("registries")) as found:
        yield found


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "OPENING", replace(patience.OPENING, first_s=0.001))
    monkeypatch.setattr(reader, "READING", replace(patience.READING, first_s=0.001))


@pytest.fixture(scope="module")
def image(there: Registries) -> str:
    """repository:tag of an image with CONTENT as its disk."""
    blobs = Blobs()
    made = blobs.image(tar(directory("disk"), file("disk/disk.img", CONTENT)))
    return blobs.push(f"http://{there.open}", "vms/fedora", "40", made)


def pulled(reference: str, out: Path, **settings: Any) -> Report:
    return imported(reference, out, kind="registry", **settings)


def from_archive(blobs: Blobs, image: Any, out: Path, **settings: Any) -> Report:
    return pulled(f"oci-archive:{blobs.archive(out.parent / 'image.tar', image)}", out, **settings)


def of_layers(*layers: bytes, out: Path, **settings: Any) -> Report:
    """Imported from an archive with an image of these layers."""
    blobs = Blobs()
    return from_archive(blobs, blobs.image(*layers), out, **settings)


def holds(out: Path, content: bytes) -> bool:
    return out.read_bytes() == content


def secret(directory: Path, **files: str) -> str:
    directory.mkdir()
    for name, text in files.items():
        (directory / name.replace("dockerconfigjson", ".dockerconfigjson")).write_text(text)
    return str(directory)


def docker_config(registry: str, login: str = LOGIN) -> str:
    return json.dumps({"auths": {registry: {"auth": b64encode(login.encode()).decode()}}})


# --- layers, from the registry and from an archive


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


# --- which image


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


# --- whom registries let in


def test_a_registry_in_plain_text_has_to_be_named_insecure(there: Registries, image: str, out: Path) -> None:
    report = pulled(f"docker://{there.open}/{image}", out)
    assert report.message.startswith(f"{FAILED}failed to pull image: reading manifest 40 in {there.open}/vms/fedora: ")
    assert "server gave HTTP response to HTTPS client" in report.message
    assert "insecureRegistries" in report.hint


LOGINS: dict[str, Callable[[str], dict[str, str]]] = {
    "keys": lambda registry: dict(zip(("accessKeyId", "secretKey"), LOGIN.replace(":", "\n:").split(":"), strict=True)),
    "docker": lambda registry: {"dockerconfigjson": docker_config(registry)},
    "other entry": lambda registry: {"dockerconfigjson": docker_config("registry.example")},
    "wrong": lambda registry: {"accessKeyId": "puller", "secretKey": "guess"},
}


@pytest.mark.parametrize("kind", ["password", "token", "cloud"])
@pytest.mark.parametrize("login", [*LOGINS, ""])
def test_logins(kind: str, login: str, there: Registries, image: str, out: Path, tmp_path: Path) -> None:
    registry = getattr(there, kind)
    settings: dict[str, Any] = {"ca_dirs": (there.certificates,)} if kind == "password" else {"insecure": True}
    if login:
        settings["secret_dir"] = secret(tmp_path / "secret", **LOGINS[login](registry))
    report = pulled(f"docker://{registry}/{image}", out, **settings)
    if login in ("keys", "docker"):
        assert report.message == "Import Complete"
        assert holds(out, CONTENT)
        return
    assert report.message.startswith(f"{FAILED}failed to pull image: reading manifest 40 in {registry}/vms/fedora: ")
    assert ("unable to retrieve auth token: " in report.message) is (kind != "password")
    assert report.message.endswith("expected status code 200, got 401. Status: 401 Unauthorized")
    assert (report.error, "wants a user and a password" in report.hint) == ("permanent", True)


def test_anonymous_tokens(there: Registries, image: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(there.tokens, "anonymous", True)
    before = len(there.tokens.asked)
    assert pulled(f"docker://{there.token}/{image}", out, insecure=True).succeeded
    assert len(there.tokens.asked) == before + 1
    assert there.tokens.asked[-1].strip() == "/token?service=registry.test&scope=repository%3Avms%2Ffedora%3Apull"


def test_what_lets_us_in_never_reaches_the_storage(there: Registries, image: str, out: Path, tmp_path: Path) -> None:
    directory = secret(tmp_path / "secret", dockerconfigjson=docker_config(there.cloud))
    before = len(there.storage_requests())
    assert pulled(f"docker://{there.cloud}/{image}", out, insecure=True, secret_dir=directory).succeeded
    asked = there.storage_requests()[before:]
    assert len(asked) == 3
    assert all(line.endswith(" authorization=-") for line in asked)


def test_a_token_that_expires_is_renewed(there: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a layer, on each connection, and by one request of all of them."""
    monkeypatch.setattr(there.tokens, "anonymous", True)
    realm = f'Bearer realm="http://127.0.0.1:{there.tokens.port}/token",service="registry.test"'
    expired = Fault(401, headers=(("WWW-Authenticate", realm),))
    before = len(there.tokens.asked)
    with faulty(CONTENT, [expired, Fault(), expired, expired]) as server:
        site = Site(job.Source("registry", server.url), {})
        site = site.elsewhere(server.url, RegistryBadge(site, "", "repository:vms/fedora:pull", insecure=True))
        source = HttpSource(site, first_visit(site), 1, lambda count: None)
        whole = b"".join(bytes(view) for view in source.stream()) == CONTENT
        source.close()
    assert whole
    assert len(there.tokens.asked) == before + 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>", "the answer is not JSON"),
        (b"[]", "not JSON"),
        (b'{"token": "a\\r\\nb"}', "there is none"),
        (b"{}", "none"),
    ],
)
def test_token_servers_that_make_no_sense(
    answer: bytes, told: str, there: Registries, image: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(there.tokens, "anonymous", True)
    monkeypatch.setattr(there.tokens, "answer", answer)
    report = pulled(f"docker://{there.token}/{image}", out, insecure=True)
    assert "unable to retrieve auth token: " in report.message
    assert told in report.message
    assert report.error == "permanent"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(scheme: str, there: Registries, image: str, out: Path, tmp_path: Path) -> None:
    """Only the proxy knows where the registry is. Without TLS, too, which the proxy for https does not do."""
    ports = {"http": int(there.open.rpartition(":")[2]), "https": int(there.password.rpartition(":")[2])}
    with proxying(ports) as proxy:
        environment = {f"{scheme}_proxy": proxy.url()}
        settings: dict[str, Any] = {"insecure": True}
        if scheme == "https":
            directory = secret(tmp_path / "secret", dockerconfigjson=docker_config("images.example"))
            settings = {"ca_dirs": (there.certificates,), "secret_dir": directory}
        report = pulled(f"docker://images.example/{image}", out, environment=environment, **settings)
    assert report.message == "Import Complete"
    assert all(("CONNECT images.example:443" in line) is (scheme == "https") for line in proxy.asked)
    assert proxy.asked


@pytest.mark.parametrize(
    ("url", "told", "kind"),
    [
        ("docker://{open}/vms/fedora:41", "manifest 41 in {open}/vms/fedora: expected status code 200", "permanent"),
        ("docker://{open}/vms/none", "manifest latest in {open}/vms/none: expected status code 200", "permanent"),
        ("docker://127.0.0.1:{closed}/x", "connect: connection refused", "transient"),
        ("docker://no-such-host.invalid/x", "dial tcp: lookup no-such-host.invalid", "transient"),
        ("docker://{open}/Vms", "invalid reference format", "permanent"),
        ("docker:{open}", "invalid reference format", "permanent"),
        ("oci-archive:/no/such/file", "open /no/such/file: no such file or directory", "permanent"),
    ],
)  # fmt: skip
def test_images_that_are_not_there(url: str, told: str, kind: str, there: Registries, image: str, out: Path) -> None:
    words = {"open": there.open, "closed": free_port()}
    report = pulled(url.format(**words), out, insecure=True)
    assert report.message.startswith(FAILED)
    assert told.format(**words) in report.message
    assert report.error == kind
    assert not out.exists()


# --- images that are made to do harm, or broken


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
    assert NO_DISK not in message
