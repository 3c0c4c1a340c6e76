"""Checksums over what was downloaded: verified for every format, on every kind of server, before anything is done."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from importer_image.errors import Permanent
from importer_image.source.checksum import Checksum, parse
from tests.images import MIB, disk, identical, qcow2, squeezed
from tests.transfer.devices import loop_device, needs_root
from tests.transfer.imports import imported, onto_device
from tests.transfer.webserver import WebServer

ALGORITHMS = ("md5", "sha1", "sha256", "sha512")


def of(path: Path, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"


@pytest.fixture(scope="module")
def raw(web: WebServer) -> Path:
    return disk(web.files / "checked.raw", 5 * MIB + 100)


@pytest.fixture(scope="module")
def image(web: WebServer, raw: Path) -> Path:
    """With bytes at the end that no table refers to; they count, too."""
    path = qcow2(raw, web.files / "checked.qcow2", packed=True)
    with path.open("ab") as file:
        file.write(b"the end of the file" * 10000)
    return path


@pytest.mark.parametrize(
    ("algorithm", "form", "way"),
    [
        *((algorithm, "raw", "") for algorithm in ALGORITHMS),
        *(("sha256", form, way) for form in ("qcow2", "gzip") for way in ("", "stream/")),
    ],
)
def test_right(algorithm: str, form: str, way: str, web: WebServer, raw: Path, image: Path, out: Path) -> None:
    path = {"raw": raw, "qcow2": image, "gzip": squeezed(image, "gzip", "-1")}[form]
    report = imported(web.url(path, way), out, checksum=of(path, algorithm))
    assert (report.message, report.checksum) == ("Import Complete", of(path, algorithm))
    assert identical(raw if form == "raw" else image, out)


def test_several_in_capitals(web: WebServer, raw: Path, out: Path) -> None:
    assert imported(web.url(raw), out, checksum=" ".join(of(raw, each).upper() for each in ALGORITHMS)).succeeded


@pytest.mark.parametrize("way", ["", "stream/"])
def test_wrong(way: str, web: WebServer, raw: Path, image: Path, out: Path) -> None:
    report = imported(web.url(image, way), out, checksum=of(raw))
    assert report.message == (
        "Unable to process data: Unable to convert source data to target format: "
        f"checksum validation failed: checksum mismatch: expected {of(raw)}, got {of(image)}"
    )
    assert report.error == "fatal"
    assert not out.exists()


def test_one_of_several_wrong(web: WebServer, raw: Path, out: Path) -> None:
    report = imported(web.url(raw), out, checksum=f"{of(raw)} md5:{'0' * 32}")
    assert (report.error, "expected md5:0000" in report.message) == ("fatal", True)


@needs_root
def test_wrong_on_a_device(web: WebServer, raw: Path, image: Path, tmp_path: Path) -> None:
    backing = tmp_path / "device"
    backing.write_bytes(b"\xa5" * 8 * MIB)
    with loop_device(backing) as device:
        report = onto_device(web.url(raw), device, checksum=of(image))
    assert report.error == "fatal"
    assert backing.read_bytes()[:MIB] == bytes(MIB)


def test_parse() -> None:
    digest = "AB" * 32
    assert parse(f" SHA256:{digest}  md5:{'0' * 32}") == [
        Checksum("sha256", digest.lower()),
        Checksum("md5", "0" * 32),
    ]


@pytest.mark.parametrize(
    "text",
    ["sha256", "sha256:", "sha256:abc", f"sha256:{'g' * 64}", f"sha384:{'0' * 96}", "crc32:12345678", f"md5:{'0' * 31}",
     f"sha256:sha256:{'0' * 64}", f":{'0' * 64}"],
)  # fmt: skip
def test_invalid(text: str) -> None:
    with pytest.raises(Permanent, match="invalid checksum"):
        parse(text)


def test_invalid_is_said_before_anything_is_fetched(web: WebServer, raw: Path, out: Path) -> None:
    before = len(web.requests())
    report = imported(web.url(raw), out, checksum="sha256:abc")
    assert (report.error, "sha256 has 64 hex digits" in report.message) == ("permanent", True)
    assert len(web.requests()) == before
