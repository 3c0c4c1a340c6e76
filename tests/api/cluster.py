"""The rest of a cluster for many imports at once: provisioner, binder and, where nothing else is one, kubelet, by hand
(see `node`).

It follows one namespace and does what each object needs next. A pod that has no node goes as soon as it is deleted, so
nobody has to end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError
from cdi_operator.cluster.informer import Informer, Selection
from cdi_operator.flows.actions import Object
from tests.api import node
from tests.api.objects import CLAIM

WORKERS = 8


class Cluster:
    def __init__(self, client: Client, namespace: str, *, with_kubelet: bool) -> None:
        self._client = client
        self._namespace = namespace
        self._runs = ("Pod",) if with_kubelet else ()
        self._cache = Cache({CLAIM: {"uid": _uid, "volume": _volume_name}})
        self._cache.subscribe(lambda obj: self._changed.put_nowait(obj))
        self._changed: asyncio.Queue[Object] = asyncio.Queue()
        self._done = set[str]()

    async def run(self) -> None:
        selections = (
            *(Selection(kind, namespace=self._namespace) for kind in (CLAIM, *self._runs)),
            Selection("PersistentVolume"),
        )
        async with asyncio.TaskGroup() as group:
            for selection in selections:
                group.create_task(Informer(self._client, self._cache, selection).run())
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            obj = await self._changed.get()
            try:
                await self._look(obj)
            except ApiError as error:
                if error.status != 404:
                    raise

    async def _look(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        match obj["kind"], (obj.get("status") or {}).get("phase"):
            case "PersistentVolumeClaim", _ if "dataSourceRef" not in obj["spec"]:
                if not obj["spec"].get("volumeName") and self._first(uid, "bound"):
                    await node.provision(self._client, obj)
            case "PersistentVolume", _:
                await self._bind(obj)
            case "Pod", "Pending" if self._first(uid, "run"):
                await node.run(self._client, obj)
            case "Pod", "Running" if self._first(uid, "succeeded"):
                await node.succeed(self._client, obj)

    async def _bind(self, volume: Object) -> None:
        """As the binder does it; whoever had the volume before has lost it."""
        name, uid = volume["metadata"]["name"], volume["spec"]["claimRef"].get("uid", "")
        for claim in self._cache.by(CLAIM, "uid", uid):
            if not claim["spec"].get("volumeName") and self._first(uid, "bound"):
                await node.bind(self._client, claim, name)
        for other in self._cache.by(CLAIM, "volume", name):
            if other["metadata"]["uid"] != uid and self._first(other["metadata"]["uid"], "lost"):
                await node.lose(self._client, other)

    def _first(self, uid: str, deed: str) -> bool:
        if f"{uid} {deed}" in self._done:
            return False
        self._done.add(f"{uid} {deed}")
        return True


def _uid(claim: Object) -> tuple[str, ...]:
    return (claim["metadata"]["uid"],)


def _volume_name(claim: Object) -> tuple[str, ...]:
    return (claim["spec"].get("volumeName") or "",)


@asynccontextmanager
async def living(client: Client, namespace: str, *, with_kubelet: bool = True) -> AsyncIterator[None]:
    """Everything in the namespace gets what it waits for while the block runs."""
    task = asyncio.create_task(Cluster(client, namespace, with_kubelet=with_kubelet).run())
    try:
        yield
        assert not task.done(), "the cluster has died"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
