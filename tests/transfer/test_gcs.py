"""Images in Google's storage: at an endpoint of one's own, without an account and with one, whose tokens end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from importer_image.source import http, patience, reader
from importer_image.source.gcs import HINTS, PRIVATE
from importer_image.source.google import ASSERTED_S, NOT_GRANTED, SCOPE
from tests.images import MIB, disk
from tests.transfer import imports
from tests.transfer.faulty import Fault, faulty
from tests.transfer.google import EMAIL, Google, serving_google

CONNECT = "Unable to connect to gcs data source: "
imported = partial(imports.imported, kind="gcs")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "OPENING", replace(patience.OPENING, first_s=0.001))
    monkeypatch.setattr(reader, "READING", replace(patience.READING, first_s=0.001))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with serving_google(tmp_path_factory.mktemp("google")) as google:
        yield google


@pytest.fixture
def google(server: Google) -> Google:
    """With nothing in its memory."""
    server.lasts, server.expires_in, server.answers = 1000, 3600, []
    for memory in (server.granted, server.claims, server.used):
        memory.clear()
    return server


@pytest.fixture(scope="module")
def image(server: Google) -> Path:
    return disk(server.files / "a b+ü.raw", 5 * MIB + 512)


def test_anonymous(google: Google, image: Path, out: Path) -> None:
    assert imported(google.url("public", image.name), out).message == "Import Complete"
    assert out.read_bytes() == image.read_bytes()
    assert google.used == {}


def test_with_a_service_account(google: Google, image: Path, out: Path, tmp_path: Path) -> None:
    report = imported(google.url("private", image.name), out, secret_dir=google.credentials(tmp_path / "secret"))
    assert report.message == "Import Complete"
    assert out.read_bytes() == image.read_bytes()
    assert (google.granted, list(google.used)) == (["token-1"], ["token-1"])
    (claims,) = google.claims
    assert time.time() - 60 < claims.pop("iat") == claims.pop("exp") - ASSERTED_S
    assert claims == {"iss": EMAIL, "scope": SCOPE, "aud": f"http://127.0.0.1:{google.tokens}/token"}


@pytest.mark.parametrize(("connections", "lasts"), [(1, 2), (4, 5)])
def test_tokens_that_are_refused_meanwhile(
    connections: int, lasts: int, google: Google, image: Path, out: Path, tmp_path: Path
) -> None:
    google.lasts = lasts
    secret_dir = google.credentials(tmp_path / "secret")
    report = imported(google.url("private", image.name), out, secret_dir=secret_dir, connections=connections)
    assert report.message == "Import Complete"
    assert out.read_bytes() == image.read_bytes()
    assert len(google.granted) > 1


def test_tokens_that_end(google: Google, image: Path, out: Path, tmp_path: Path) -> None:
    """None is used after its time, so none is ever refused."""
    google.expires_in = 0
    secret_dir = google.credentials(tmp_path / "secret")
    assert imported(google.url("private", image.name), out, secret_dir=secret_dir).succeeded
    assert len(google.granted) > 2
    assert set(google.used.values()) == {1}


def test_a_busy_server_of_tokens_is_asked_again(google: Google, image: Path, out: Path, tmp_path: Path) -> None:
    google.answers = [(503, {}), (500, {})]
    secret_dir = google.credentials(tmp_path / "secret")
    assert imported(google.url("private", image.name), out, secret_dir=secret_dir).succeeded


def test_a_key_that_is_not_the_account_s(google: Google, image: Path, out: Path, tmp_path: Path) -> None:
    secret_dir = google.credentials(tmp_path / "secret", "stolen.pem")
    report = imported(google.url("private", image.name), out, secret_dir=secret_dir)
    told = "oauth2: cannot fetch token: 400 Bad Request: invalid_grant: Invalid JWT Signature."
    assert (report.message, report.error, report.hint) == (f"{CONNECT}{told}", "permanent", NOT_GRANTED)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, {}), "oauth2: server response missing access_token"),
        ((200, {"access_token": "x", "expires_in": "soon"}), "oauth2: server response missing access_token"),
        ((403, {}), "oauth2: cannot fetch token: 403 Forbidden"),
    ],
)
def test_what_is_no_token(
    answer: tuple[int, dict[str, str]], told: str, google: Google, image: Path, out: Path, tmp_path: Path
) -> None:
    google.answers = [answer]
    report = imported(google.url("private", image.name), out, secret_dir=google.credentials(tmp_path / "secret"))
    assert (report.message, report.error) == (f"{CONNECT}{told}", "permanent")


def test_a_token_that_is_never_good_enough(google: Google, image: Path, out: Path, tmp_path: Path) -> None:
    google.lasts = 0
    report = imported(google.url("private", image.name), out, secret_dir=google.credentials(tmp_path / "secret"))
    assert report.message == f"{CONNECT}expected status code 200, got 401. Status: 401 Unauthorized"
    assert google.granted == ["token-1", "token-2"]


@pytest.mark.parametrize("account", [True, False])
def test_no_rights(account: bool, google: Google, out: Path, tmp_path: Path) -> None:
    name = "with-account" if account else "without"
    url = google.url("xml", name)
    report = imported(url, out, secret_dir=google.credentials(tmp_path / "secret") if account else "")
    assert report.message == f"{CONNECT}could not get gcs object {url}: AccessDenied: no (status 403)"
    assert report.hint == (HINTS["AccessDenied"] if account else PRIVATE)
    assert google.shown(f"/xml/{name} ")[-1] == ("Bearer token-1" if account else "-")


def test_tokens_do_not_go_to_other_hosts(google: Google, out: Path, tmp_path: Path) -> None:
    """The endpoint sends us to a server that we know under another name."""
    there = google.url("xml", "elsewhere").replace("127.0.0.1", "localhost")
    with faulty(b"", [Fault(302, headers=(("Location", there),))]) as front:
        report = imported(front.url, out, secret_dir=google.credentials(tmp_path / "secret"))
    assert "got 403" in report.message
    assert google.granted == ["token-1"]
    assert google.shown("/xml/elsewhere ")[-1] == "-"
