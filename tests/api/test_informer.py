"""The informer keeps the cache true through everything that happens to a watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from cdi_operator.cluster import informer
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.informer import Informer, Selection
from cdi_operator.flows.actions import Ref
from devcluster import binaries
from tests.api.apiserver import ControlPlane
from tests.api.conftest import eventually
from tests.api.objects import CLAIM, claim


@asynccontextmanager
async def following(
    client: Client, selection: Selection, relisted: Callable[[], None] = lambda: None
) -> AsyncIterator[Cache]:
    cache = Cache()
    follower = Informer(client, cache, selection, relisted)
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(20):
        await follower.synced.wait()
    yield cache
    assert not running.done(), "an informer never ends by itself"
    running.cancel()


def names(cache: Cache, kind: str = CLAIM) -> set[str]:
    return {obj["metadata"]["name"] for obj in cache.all(kind)}


async def test_it_sees_what_was_there_and_what_happens(client: Client, namespace: str) -> None:
    await client.create(claim(namespace, "before"))
    async with following(client, Selection(CLAIM, namespace=namespace)) as cache:
        assert names(cache) == {"before"}
        made = await client.create(claim(namespace, "after"))
        await eventually(lambda: names(cache) == {"before", "after"})
        await client.patch(Ref.of(made), {"metadata": {"labels": {"new": "label"}, "finalizers": None}})
        await eventually(lambda: (cache.get(CLAIM, "after", namespace) or {})["metadata"].get("labels"))
        await client.delete(Ref.of(made))
        await eventually(lambda: names(cache) == {"before"})


async def test_it_sees_only_what_is_selected(client: Client, namespace: str) -> None:
    labels = {"app": "containerized-data-importer"}
    async with following(client, Selection(CLAIM, labels=labels, namespace=namespace)) as cache:
        await client.create(claim(namespace, "theirs"))
        await client.create(claim(namespace, "ours", labels=labels))
        await eventually(lambda: names(cache) == {"ours"})


async def test_of_a_secret_only_what_is_read_comes_into_memory(client: Client, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": namespace}}
    data = {"tls.crt": "Q0VSVA==", "tls.key": "S0VZ", "ca.crt": "Q0E="}

    async def make(name: str) -> None:
        await client.create({**secret, "metadata": {"name": name, "namespace": namespace}, "data": data})

    await make("before")
    async with following(client, Selection("Secret", namespace=namespace, data=("tls.crt",))) as cache:
        await make("after")
        await eventually(lambda: names(cache, "Secret") == {"before", "after"})
        assert [each["data"] for each in cache.all("Secret")] == [{"tls.crt": "Q0VSVA=="}] * 2


async def test_a_watch_that_ends_is_taken_up_where_it_was(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server ends every watch some time: no change is lost, and nothing is listed again."""
    monkeypatch.setattr("cdi_operator.cluster.client.WATCH_S", 1)
    monkeypatch.setattr("cdi_operator.cluster.client.random.randrange", lambda bound: 0)
    watched = list[str]()
    real = client.watch

    def counting(kind: str, version: str, **query: Any) -> Any:
        watched.append(version)
        return real(kind, version, **query)

    monkeypatch.setattr(client, "watch", counting)
    relists = list[int]()
    async with following(client, Selection(CLAIM, namespace=namespace), lambda: relists.append(1)) as cache:
        for number in range(3):
            await eventually(partial(lambda nth: len(watched) > nth, number))
            await client.create(claim(namespace, f"disk-{number}"))
        await eventually(lambda: names(cache) == {"disk-0", "disk-1", "disk-2"})
        await eventually(lambda: len(watched) > 3)
    assert not relists


async def test_what_vanished_while_the_api_server_was_away_is_forgotten(
    client: Client, namespace: str, control_plane: ControlPlane
) -> None:
    for name in ("stays", "vanishes"):
        await client.create(claim(namespace, name))
    relists = list[int]()
    async with following(client, Selection(CLAIM, namespace=namespace), lambda: relists.append(1)) as cache:
        await asyncio.to_thread(control_plane.kill_apiserver)
        control_plane.delete_from_etcd("persistentvolumeclaims", namespace, "vanishes")
        await asyncio.to_thread(control_plane.start_apiserver)
        await eventually(lambda: names(cache) == {"stays"})
        await client.create(claim(namespace, "new"))
        await eventually(lambda: names(cache) == {"stays", "new"})
    assert relists, "whoever else watches is told that changes may have been missed"


async def test_an_optional_kind_may_be_absent_and_come_and_go(
    client: Client, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer, "ABSENT_RETRY_S", 0.1)
    kind = "VolumeSnapshotClass"
    definition = str(binaries.directory() / "crds" / "snapshot.storage.k8s.io_volumesnapshotclasses.yaml")
    snapshots = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "snapshots"},
        "driver": "csi.example.com",
        "deletionPolicy": "Delete",
    }
    async with following(client, Selection(kind, optional=True)) as cache:
        assert not names(cache, kind)
        await asyncio.to_thread(control_plane.kubectl, "apply", "--server-side", "-f", definition)
        await asyncio.to_thread(control_plane.kubectl, "wait", "--for=condition=established", "-f", definition)

        async def made() -> bool:
            """The API server serves a new kind a moment after it has called it established."""
            return await client.get(kind, "snapshots") is not None or bool(await client.apply(snapshots))

        await eventually(made)
        await eventually(lambda: names(cache, kind) == {"snapshots"})
        await asyncio.to_thread(control_plane.kubectl, "delete", "-f", definition)
        await eventually(lambda: not names(cache, kind))
