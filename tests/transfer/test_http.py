"""Everything that web servers do: what we accept, what we say, and that bytes are right after every kind of failure."""

from __future__ import annotations

import os
import random
import socket
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from importer_image.source import connection, http, patience, reader
from importer_image.source.address import parse
from importer_image.source.belt import SLICE_BYTES
from importer_image.source.http import PREFIX_BYTES, groups_of
from tests.images import MIB, disk
from tests.ports import free_port
from tests.transfer.faulty import Fault, faulty
from tests.transfer.imports import imported
from tests.transfer.logged import logged
from tests.transfer.webserver import WebServer

CONTENT = b"\xeb\x63\x90" + random.Random(1).randbytes(5 * MIB)
NOT_THE_SAME = "the source changed while it was read"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as always, with shorter pauses."""
    monkeypatch.setattr(http, "OPENING", replace(patience.OPENING, first_s=0.001))
    monkeypatch.setattr(reader, "READING", replace(patience.READING, first_s=0.001))


@pytest.fixture(scope="module")
def image(web: WebServer) -> Path:
    """Of many slices, the last one short, and not of whole sectors."""
    return disk(web.files / "image.raw", 10 * MIB + 1000)


def holds(out: Path, content: bytes) -> bool:
    """The disk, which is made up to whole sectors."""
    found = out.read_bytes()
    return found == content + bytes(-len(content) % 512)


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        ("", {}),
        ("", {"connections": 1}),
        ("", {"connections": 16}),
        ("stream/", {}),
        ("anonymous/", {}),
        ("chunked/", {}),
        ("get-only/", {}),
        ("text/", {}),
        ("moved/", {}),
        ("header/", {"headers": ("X-Token: open sesame",)}),
    ],
    ids=str,
)
def test_servers_that_work(way: str, settings: Mapping[str, Any], web: WebServer, image: Path, out: Path) -> None:
    report = imported(web.url(image, way), out, **settings)
    assert report.message == "Import Complete"
    assert report.source_bytes == image.stat().st_size
    assert holds(out, image.read_bytes())


def test_requests_are_recognisable_and_never_head(web: WebServer, image: Path, out: Path) -> None:
    os.link(image, web.files / "recognisable.raw")
    imported(web.url(web.files / "recognisable.raw"), out)
    lines = logged(lambda: [line for line in web.requests() if "recognisable.raw" in line])
    assert all(line.startswith("GET /recognisable.raw ") and " cdi-golang-importer 206" in line for line in lines)
    assert f'"bytes=0-{PREFIX_BYTES - 1}"' in lines[0]


def test_content_type_is_only_warned_of(
    web: WebServer, image: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    imported(web.url(image, "text/"), out)
    assert "Unexpected content type 'text/plain'. Content might not be a KubeVirt image." in capfd.readouterr().err


def secrets(directory: Path, **files: str) -> str:
    directory.mkdir()
    for name, text in files.items():
        (directory / name).write_text(text)
    return str(directory)


def test_basic_auth_from_files_with_newlines(web: WebServer, image: Path, out: Path, tmp_path: Path) -> None:
    directory = secrets(tmp_path / "secret", accessKeyId="images\n", secretKey="let me in\r\n")
    assert imported(web.url(image, "secret/"), out, secret_dir=directory).succeeded


def test_basic_auth_from_the_url(web: WebServer, image: Path, out: Path) -> None:
    url = web.url(image, "secret/").replace("//", "//images:let%20me%20in@")
    report = imported(url, out)
    assert report.succeeded
    assert "let" not in imported(url.replace("image.raw", "none"), out).message


def test_secret_headers(web: WebServer, image: Path, out: Path, tmp_path: Path) -> None:
    directory = secrets(tmp_path / "headers", any_name="X-Token: open sesame\n")
    assert imported(web.url(image, "header/"), out, secret_header_dirs=(directory,)).succeeded


def test_secrets_do_not_go_to_other_hosts(web: WebServer, image: Path, out: Path, tmp_path: Path) -> None:
    """The redirect leads to the same server by another name, which asks for the password that we keep."""
    directory = secrets(tmp_path / "secret", accessKeyId="images", secretKey="let me in")
    assert "got 401" in imported(web.url(image, "moved-abroad/"), out, secret_dir=directory).message


@pytest.mark.parametrize(
    ("trust", "environment"), [({"insecure": True}, {}), ({"ca": True}, {})], ids=["insecure", "authority"]
)
def test_tls(trust: Mapping[str, bool], environment: Mapping[str, str], web: WebServer, image: Path, out: Path) -> None:
    settings: dict[str, Any] = {"ca_dirs": (str(web.certificates),)} if trust.get("ca") else {"insecure": True}
    assert imported(web.tls_url(image), out, **settings).succeeded
    assert holds(out, image.read_bytes())


CONNECT = "Unable to connect to http data source: "


@pytest.mark.parametrize(
    ("url", "message", "kind"),
    [
        ("{http}/none", "expected status code 200, got 404. Status: 404 Not Found", "permanent"),
        ("{http}/secret/x", "expected status code 200, got 401. Status: 401 Unauthorized", "permanent"),
        ("{http}/header/x", "expected status code 200, got 403. Status: 403 Forbidden", "permanent"),
        ("{http}/teapot", "expected status code 200, got 418. Status: 418 I'm a Teapot", "permanent"),
        ("{http}/loop/", "stopped after 10 redirects", "permanent"),
        ("http://no-such-host.invalid/x", "dial tcp: lookup no-such-host.invalid: ", "transient"),
        ("http://127.0.0.1:{closed}/x", "connect: connection refused", "transient"),
        ("{https}/image.raw", "tls: failed to verify certificate: x509: self-signed certificate", "permanent"),
        ("https://127.0.0.1:{port}/x", "http: server gave HTTP response to HTTPS client", "permanent"),
        ("ftp://127.0.0.1/x", "unable to parse endpoint 'ftp://127.0.0.1/x'", "permanent"),
        ("not a url", "unable to parse endpoint 'not a url'", "permanent"),
    ],
)
def test_servers_that_do_not_work(url: str, message: str, kind: str, web: WebServer, out: Path) -> None:
    where = {
        "http": f"http://127.0.0.1:{web.port}",
        "https": f"https://127.0.0.1:{web.tls_port}",
        "port": web.port,
        "closed": free_port(),
    }
    report = imported(url.format(**where), out)
    assert report.message.startswith(CONNECT)
    assert message in report.message
    assert report.error == kind
    assert not out.exists()


BUSY = Fault(503)
LATER = Fault(429, headers=(("Retry-After", "0"),))


@pytest.mark.parametrize(
    "faults",
    [
        [BUSY],
        [LATER, LATER],
        [BUSY, BUSY, BUSY],
        [Fault(cut_after=1000)],
        [Fault(cut_after=1000, reset=True)],
        [Fault(), Fault(cut_after=0), Fault(cut_after=SLICE_BYTES + 77, reset=True), Fault(cut_after=3), BUSY, LATER],
        [Fault(), *[Fault(cut_after=50_000)] * 20],
        [Fault(416)],
        [Fault(400)],
        [Fault(501)],
        [Fault(headers=(("Content-Range", "bytes 5-9/10"),))],
        [Fault(headers=(("Content-Range", "bytes 0-262143/*"),))],
    ],
    ids=lambda faults: " ".join(f"{f.status or f.cut_after or 'ok'}" for f in faults)[:40],
)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "stream"])
def test_bytes_are_right_whatever_happens(faults: list[Fault], ranges: bool, out: Path) -> None:
    with faulty(CONTENT, faults, ranges=ranges) as server:
        report = imported(server.url, out, connections=2)
    assert report.message == "Import Complete"
    assert holds(out, CONTENT)


def test_what_broke_goes_on_where_it_broke(out: Path) -> None:
    cut = 700_000
    with faulty(CONTENT, [Fault(), Fault(cut_after=cut)]) as server:
        imported(server.url, out, connections=1)
    assert f"GET /image bytes={PREFIX_BYTES + cut}-" in " ".join(server.asked)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_falls_silent(ranges: bool, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", 0.1)
    heard = Event()
    silent = Fault(meanwhile=lambda: heard.wait(10))
    with faulty(CONTENT, [silent, Fault(), silent], ranges=ranges) as server:
        report = imported(server.url, out, connections=1)
        heard.set()
    assert report.message == "Import Complete"
    assert holds(out, CONTENT)


def test_retry_after_is_waited_for(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with faulty(CONTENT, [Fault(503, headers=(("Retry-After", "1"),))]) as server:
        assert imported(server.url, out).succeeded
    assert "pause_s=1.0" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("faults", "settings"),
    [
        ([Fault(), Fault(headers=(("ETag", '"2"'),))], {}),
        ([Fault(), Fault(headers=(("Content-Range", f"bytes {PREFIX_BYTES}-{PREFIX_BYTES + 99}/{9 * MIB}"),))], {}),
        ([Fault(headers=(("Last-Modified", "Mon"),)), Fault(headers=(("Last-Modified", "Tue"),))], {"etag": ""}),
        ([Fault(cut_after=MIB), Fault(headers=(("ETag", '"2"'),))], {"ranges": False}),
    ],
    ids=["etag", "size", "last-modified", "stream"],
)
def test_a_file_that_changes_is_never_mixed(faults: list[Fault], settings: dict[str, Any], out: Path) -> None:
    with faulty(CONTENT, faults, **settings) as server:
        report = imported(server.url, out, connections=1)
    assert NOT_THE_SAME in report.message
    assert report.error == "transient"
    assert not out.exists()


def test_a_stream_without_validators_is_never_patched_up(out: Path) -> None:
    with faulty(CONTENT, [Fault(cut_after=MIB)], ranges=False, etag="") as server:
        report = imported(server.url, out)
    assert (report.error, "unexpected EOF" in report.message) == ("transient", True)


def test_a_stream_of_unknown_length(out: Path) -> None:
    with faulty(CONTENT, ranges=False, length=False) as server:
        assert imported(server.url, out).succeeded
    assert holds(out, CONTENT)


@pytest.mark.parametrize("ranges", [True, False])
def test_chunks(ranges: bool, out: Path) -> None:
    with faulty(CONTENT, ranges=ranges, chunked=True) as server:
        assert imported(server.url, out, connections=1).succeeded
    assert holds(out, CONTENT)
    assert len(server.asked) == (1 + len(groups_of([(PREFIX_BYTES, len(CONTENT) - PREFIX_BYTES)], 1)) if ranges else 1)


def test_a_connection_that_the_server_has_closed_meanwhile(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After every answer, without having said so: that is what an idle connection looks like."""
    with faulty(CONTENT, [Fault(cut_after=len(CONTENT))] * 5) as server:
        assert imported(server.url, out, connections=1).succeeded
    assert holds(out, CONTENT)
    assert "again" not in capfd.readouterr().err


def test_a_server_that_ceases_to_do_ranges(out: Path) -> None:
    with faulty(CONTENT, [Fault(), Fault(ignore_range=True)]) as server:
        assert "ceased to answer requests for ranges" in imported(server.url, out, connections=1).message


def test_an_expired_redirect_is_asked_for_again(out: Path) -> None:
    """As with signed URLs: the first request is redirected, what it led to is soon refused."""
    with faulty(CONTENT, [Fault(), Fault(403)]) as signed:
        again = [Fault(302, headers=(("Location", signed.url),))] * 2
        with faulty(b"", again) as front:
            assert imported(front.url, out, connections=1).succeeded
    assert holds(out, CONTENT)


def test_a_server_that_stays_broken(out: Path) -> None:
    with faulty(CONTENT, [BUSY] * 10) as server:
        report = imported(server.url, out)
    assert report.message == f"{CONNECT}expected status code 200, got 503. Status: 503 Service Unavailable"
    assert (report.error, len(server.asked)) == ("transient", 4)


@pytest.mark.parametrize(("content", "told"), [(b"", 0), (b"x", 1), (CONTENT[:511], 511)], ids=["empty", "one", "511"])
def test_too_little_for_an_image(content: bytes, told: int, out: Path) -> None:
    with faulty(content) as server:
        message = imported(server.url, out).message
    assert message.startswith(
        "Unable to process data: Unable to obtain information about data source: could not process image header"
    )
    assert f"{told} bytes" in message


def test_an_empty_file_of_nginx(web: WebServer, out: Path) -> None:
    (web.files / "empty").write_bytes(b"")
    assert "could not process image header" in imported(web.url("empty"), out).message


@pytest.mark.parametrize(
    ("url", "headers", "wanted"),
    [
        ("http://images.example/a", {}, ["Host: images.example"]),
        ("https://images.example/a", {}, ["Host: images.example"]),
        ("https://images.example:443/a", {}, ["Host: images.example"]),
        ("https://images.example:8443/a", {}, ["Host: images.example:8443"]),
        ("http://images.example:443/a", {}, ["Host: images.example:443"]),
        ("https://[::1]/a", {}, ["Host: [::1]"]),
        ("https://images.example/a", {"host": "other.example"}, ["host: other.example"]),
    ],
)
def test_host(url: str, headers: dict[str, str], wanted: list[str]) -> None:
    """As it is signed for S3: with the port only where that is not the scheme's own."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        asking = connection.Connection(connection.Route(parse(url), None, headers, ssl.create_default_context))
        asking.sock = ours
        asking.get(None)
        sent = theirs.recv(4096).decode().splitlines()
    assert [line for line in sent if line.lower().startswith("host:")] == wanted


def test_no_acknowledgement_is_held_back(web: WebServer, image: Path) -> None:
    """The kernel's word for it; the server would wait for it. Without our doing it is 0 from the second request on."""
    asking = connection.Connection(connection.Route(parse(web.url(image)), None, {}, ssl.create_default_context))
    for _ in range(3):
        response = asking.get((0, MIB - 1))
        assert asking.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
        response.read()
    asking.close()


def test_no_socket_is_left_open(web: WebServer, image: Path, out: Path) -> None:
    before = open_sockets()
    imported(web.url(image), out)
    imported(web.url(image, "stream/"), out, target={"size_bytes": MIB})
    assert open_sockets() == before


def open_sockets() -> int:
    return sum(1 for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and "socket:" in str(readlink(link)))


def readlink(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
