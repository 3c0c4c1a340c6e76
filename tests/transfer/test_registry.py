"""Registries with passwords, tokens, proxies and blobs elsewhere: who lets us in, and what is told to whom."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer_image import job
from importer_image.source import http, patience, reader
from importer_image.source.http import open_site
from importer_image.source.registry.badge import RegistryBadge
from importer_image.source.site import Site
from tests.containers import (
    Blobs,
    directory,
    file,
    tar,
)
from tests.ports import free_port
from tests.transfer.faulty import Fault, faulty
from tests.transfer.logged import logged
from tests.transfer.proxy import proxying
from tests.transfer.pulls import CONTENT, FAILED, holds, pulled
from tests.transfer.registries import LOGIN, Registries


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


def secret(directory: Path, **files: str) -> str:
    directory.mkdir()
    for name, text in files.items():
        (directory / name.replace("dockerconfigjson", ".dockerconfigjson")).write_text(text)
    return str(directory)


def docker_config(registry: str, login: str = LOGIN) -> str:
    return json.dumps({"auths": {registry: {"auth": b64encode(login.encode()).decode()}}})


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
    asked = logged(lambda: there.storage_requests()[before:], 3)
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
        source = open_site(site, 1, lambda count: None)
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
