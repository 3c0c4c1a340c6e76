"""Images in a bucket of a real S3 server: signed and not, everything it refuses, and connections that break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial, partialmethod
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from importer_image.job import Report
from importer_image.source import http, patience, reader
from importer_image.source.aws import Signer
from importer_image.source.http import PREFIX_BYTES
from importer_image.source.s3 import CLOCKS, HINTS
from tests.images import MIB, disk
from tests.ports import free_port
from tests.transfer import imports
from tests.transfer.proxy import proxying
from tests.transfer.relay import relaying
from tests.transfer.s3server import DOMAIN, ROOT, STRANGER, S3Server, serving_s3
from tests.transfer.webserver import WebServer

ODD = "dir with spaces/ü+plus%41&=~(1)*'.img"
CONNECT = "Unable to connect to s3 data source: "
imported = partial(imports.imported, kind="s3")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "OPENING", replace(patience.OPENING, first_s=0.001))
    monkeypatch.setattr(reader, "READING", replace(patience.READING, first_s=0.001))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def image(home: Path) -> Path:
    return disk(home / "image.raw", 5 * MIB + 1024)


@pytest.fixture(scope="module")
def s3(home: Path, image: Path) -> Iterator[S3Server]:
    with serving_s3(home) as server:
        for bucket in ("images", "public"):
            server.put(f"/{bucket}")
        server.open_to_all("public")
        for path in ("/images/image.raw", f"/images/{ODD}", "/public/image.raw"):
            server.put(path, image.read_bytes())
        server.put("/images/empty")
        server.add_stranger()
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> str:
    return secret(tmp_path / "keys", *ROOT)


def secret(directory: Path, access_key_id: str, secret_key: str, **more: str) -> str:
    """As secrets are: with newlines that nobody meant."""
    directory.mkdir()
    for name, text in {"accessKeyId": access_key_id, "secretKey": secret_key, **more}.items():
        (directory / name).write_text(f"{text}\n")
    return str(directory)


def came(report: Report, out: Path, image: Path) -> bool:
    assert report.message == "Import Complete"
    return out.read_bytes() == image.read_bytes()


@pytest.mark.parametrize(
    ("key", "bucket", "signed"),
    [
        ("image.raw", "images", True),
        (quote(ODD), "images", True),
        (ODD.replace("%", "%25"), "images", True),
        ("image.raw", "public", True),
        ("image.raw", "public", False),
    ],
    ids=["path style", "odd key, escaped", "odd key, as typed", "public, with keys", "public, without"],
)
def test_buckets(
    key: str, bucket: str, signed: bool, s3: S3Server, image: Path, keys: str, out: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    report = imported(s3.url(key, bucket), out, secret_dir=keys if signed else "")
    assert came(report, out, image)
    assert report.source_bytes == image.stat().st_size
    # The region was guessed from the address, the server knows better, and is asked only once.
    assert capfd.readouterr().err.count("asking in another region region=eu-test-1 guessed=127") == signed


def test_the_bucket_in_the_host_name(s3: S3Server, image: Path, keys: str, out: Path) -> None:
    """Through a proxy, which knows where that host is."""
    with proxying({"http": s3.port}) as proxy:
        url = f"http://images.{DOMAIN}/{quote(ODD)}"
        report = imported(url, out, secret_dir=keys, environment={"http_proxy": proxy.url()})
    assert came(report, out, image)
    assert all(line.startswith(f"GET http://images.{DOMAIN}/") for line in proxy.asked)


def test_in_tls_with_an_authority_of_its_own(
    s3: S3Server, home: Path, web: WebServer, image: Path, keys: str, out: Path
) -> None:
    with serving_s3(home, web.home / "tls.crt", web.home / "tls.key") as server:
        url = server.url("image.raw")
        assert came(imported(url, out, secret_dir=keys, ca_dirs=(str(web.certificates),)), out, image)
        message = imported(url, out, secret_dir=keys).message
    assert message.startswith(f"{CONNECT}HTTP request errored: Get")
    assert "x509" in message


NOBODY = ("nobody", ROOT[1])
MISTYPED = (ROOT[0], "mistyped")


@pytest.mark.parametrize(
    ("key", "bucket", "given", "code", "status"),
    [
        ("none", "images", ROOT, "NoSuchKey", 404),
        ("image.raw", "no-such-bucket", ROOT, "NoSuchBucket", 404),
        ("image.raw", "images", NOBODY, "InvalidAccessKeyId", 403),
        ("image.raw", "images", MISTYPED, "SignatureDoesNotMatch", 403),
        ("image.raw", "images", STRANGER, "AccessDenied", 403),
        ("image.raw", "images", None, "AccessDenied", 403),
        ("none", "public", None, "NoSuchKey", 404),
    ],
    ids=["no key", "no bucket", "unknown user", "wrong password", "stranger", "nobody", "no key in public"],
)
def test_refusals(
    key: str, bucket: str, given: tuple[str, str] | None, code: str, status: int, s3: S3Server, out: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    url = s3.url(key, bucket)
    report = imported(url, out, secret_dir=secret(tmp_path / "secret", *given) if given else "")
    assert report.message.startswith(f"{CONNECT}could not get s3 object {url}: {code}: ")
    assert report.message.endswith(f"(status {status})")
    assert report.error == "permanent"
    assert report.hint == HINTS[code] if given or code != "AccessDenied" else "secretRef" in report.hint
    assert not out.exists()


def test_clocks_that_differ(s3: S3Server, keys: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    monkeypatch.setattr(Signer, "signed", partialmethod(Signer.signed, now=yesterday))
    report = imported(s3.url("image.raw"), out, secret_dir=keys)
    assert "RequestTimeTooSkewed" in report.message
    assert report.hint == CLOCKS


def test_an_empty_object(s3: S3Server, keys: str, out: Path) -> None:
    assert "could not process image header" in imported(s3.url("empty"), out, secret_dir=keys).message


def test_a_server_that_is_not_there(keys: str, out: Path) -> None:
    report = imported(f"http://127.0.0.1:{free_port()}/images/x", out, secret_dir=keys)
    assert report.message.startswith(CONNECT)
    assert (report.error, "connection refused" in report.message) == ("transient", True)


@pytest.mark.parametrize("connections", [1, 3])
def test_what_breaks_goes_on_and_is_signed_anew(
    connections: int, s3: S3Server, image: Path, keys: str, out: Path
) -> None:
    """The first connection learns the region; then the prefix breaks, and then range after range."""
    with relaying(s3.port, [10_000, 100_000, PREFIX_BYTES + 300_000, 900_000, 0, 5]) as relay:
        url = s3.url("image.raw").replace(str(s3.port), str(relay.port))
        report = imported(url, out, secret_dir=keys, connections=connections)
    assert came(report, out, image)
    assert report.source_bytes == image.stat().st_size
    assert relay.made > 6


def test_keys_that_are_withdrawn_meanwhile(s3: S3Server, keys: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first answers, so that the refusal comes in the middle of the image."""
    signed, left = Signer.signed, [3]

    def withdrawn(self: Signer, target: str, headers: dict[str, str], region: str, **now: Any) -> dict[str, str]:
        left[0] -= 1
        return signed(self, target, headers | ({} if left[0] > 0 else {"Host": "elsewhere"}), region, **now)

    monkeypatch.setattr(Signer, "signed", withdrawn)
    report = imported(s3.url("image.raw"), out, secret_dir=keys, connections=1)
    assert report.message.startswith("Unable to process data: ")
    assert "SignatureDoesNotMatch" in report.message
    assert report.error == "permanent"


def test_an_object_that_is_replaced_is_never_mixed(s3: S3Server, image: Path, keys: str, out: Path) -> None:
    s3.put("/images/replaced", image.read_bytes())
    source = http_source(s3.url("replaced"), keys)
    try:
        s3.put("/images/replaced", bytes(image.stat().st_size))
        with pytest.raises(Exception, match="the source changed while it was read"):
            list(source.stream())
    finally:
        source.close()


def http_source(url: str, keys: str) -> Any:
    from importer_image.job import Source
    from importer_image.source.open import open_source

    return open_source(Source("s3", url, secret_dir=keys), 1, {}, lambda count: None)
