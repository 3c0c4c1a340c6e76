"""Through proxies, plain and in TLS, with and without a password. Only the proxy knows where the server is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from importer_image.source import http, patience
from tests.images import MIB, disk
from tests.transfer.imports import imported
from tests.transfer.proxy import Proxy, proxying
from tests.transfer.webserver import WebServer


@pytest.fixture(scope="module")
def image(web: WebServer) -> Path:
    return disk(web.files / "proxied.raw", 3 * MIB)


def through(web: WebServer, tls: bool, password: str) -> Any:
    certificate = (web.home / "tls.crt", web.home / "tls.key") if tls else None
    return proxying({"http": web.port, "https": web.tls_port}, password=password, certificate=certificate)


def settings(web: WebServer, proxy: Proxy, credentials: str = "") -> dict[str, Any]:
    """As the operator gives them: proxies in the environment, authorities in a directory."""
    url = proxy.url(credentials)
    return {"environment": {"http_proxy": url, "https_proxy": url}, "ca_dirs": (str(web.certificates),)}


@pytest.mark.parametrize("password", ["", "foo:bar"], ids=["open", "password"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain proxy", "proxy in TLS"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(scheme: str, tls: bool, password: str, web: WebServer, image: Path, out: Path) -> None:
    with through(web, tls, password) as proxy:
        report = imported(f"{scheme}://images.example/{image.name}", out, **settings(web, proxy, password))
    assert report.message == "Import Complete"
    assert out.read_bytes() == image.read_bytes()
    wanted = "CONNECT images.example:443" if scheme == "https" else f"GET http://images.example/{image.name}"
    assert proxy.asked
    assert all(line.startswith(wanted) for line in proxy.asked)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_password(scheme: str, web: WebServer, image: Path, out: Path) -> None:
    with through(web, False, "foo:bar") as proxy:
        report = imported(f"{scheme}://images.example/{image.name}", out, **settings(web, proxy, "foo:wrong"))
    assert "got 407. Status: 407 Proxy Authentication Required" in report.message
    assert (report.error, report.hint) == ("permanent", "The proxy wants a user and a password.")


def test_no_proxy_for_this_machine(web: WebServer, image: Path, out: Path) -> None:
    with through(web, False, "") as proxy:
        assert imported(web.url(image), out, **settings(web, proxy)).succeeded
    assert proxy.asked == []


def test_a_proxy_that_is_not_there(web: WebServer, image: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "OPENING", patience.Patience(2, 0.001, 0.001))
    with through(web, False, "") as proxy:
        gone = settings(web, proxy)
    message = imported(f"http://images.example/{image.name}", out, **gone).message
    assert f"dial tcp 127.0.0.1:{proxy.port}: connect: connection refused" in message
