"""Where the API server is, from a kubeconfig; and what is said when that cannot be known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kubernetes.aio.config import ConfigException

from cdi_operator.cluster.access import Access


def kubeconfig(**user: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": "https://api.example.com:6443/"}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


@pytest.mark.parametrize(("user", "authorization"), [({"token": "secret"}, "Bearer secret"), ({}, None)])
async def test_a_kubeconfig(tmp_path: Path, user: dict[str, str], authorization: str | None) -> None:
    file = tmp_path / "config"
    file.write_text(kubeconfig(**user))
    access = await Access.load(str(file))
    assert access.server == "https://api.example.com:6443"
    assert await access.authorization() == authorization


async def test_credentials_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(kubeconfig(token="old"))
    access = await Access.load(str(file))
    file.write_text(kubeconfig(token="rotated"))
    await access.renew()
    assert await access.authorization() == "Bearer rotated"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is not there"), ("root:x:0:0:\n\t- [", "is not a kubeconfig"), ("{}", "current-context")],
)
async def test_what_is_no_kubeconfig(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigException, match=words):
        await Access.load(str(file))


async def test_outside_of_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigException, match="Service host/port is not set"):
        await Access.load()
