"""What the rules need to know of the cluster, read from the API server when it is needed.

Not from a cache as the controller has it. A rule reads one to three objects by name, and only for what is created: some
milliseconds, beside which a replica that holds every claim of a large cluster (100 MB for 10,000) and that must have
listed them before it is ready is a bad bargain. And what was read now is true now: a claim that was made a moment ago
is seen, also by the replica that did not hear of it yet.
"""

from __future__ import annotations

from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.apiserver.rules import datavolume
from cdi_operator.apiserver.rules.cdi import COUNTED
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.defaults import defaults
from cdi_operator.flows.rendering import wanted_class
from cdi_operator.flows.seen import claim, controller
from cdi_operator.flows.view import View

CLAIM = "PersistentVolumeClaim"


async def about_volume(client: Client, volume: Object) -> datavolume.Facts:
    """Of a DataVolume that is being created."""
    meta = volume["metadata"]
    name = meta.get("name")
    found = await client.get(CLAIM, name, meta["namespace"]) if name else None
    if found is None:
        return datavolume.Facts()
    view = Cache()
    await _read(client, view, "CDIConfig", "config")
    owner = controller(found) or {}
    return datavolume.Facts(claim(found), owner.get("kind", ""), defaults(view).adopts_claims)


async def about_storage(client: Client, asked: Any, content_type: str) -> tuple[View, str]:
    """What a claim with this spec is rendered from (`flows.rendering.offer`), and the name of its storage class."""
    view = Cache()
    await _read(client, view, "CDIConfig", "config")
    if asked.get("storageClassName"):
        await _read(client, view, "StorageClass", asked["storageClassName"])
    elif asked.get("storageClassName") is None:
        await _read_all(client, view, "StorageClass")
    name = wanted_class(view, asked, content_type)
    if name and view.get("StorageClass", name):
        await _read(client, view, "StorageProfile", name)
    else:
        await _read_all(client, view, "PersistentVolume")
    return view, name


async def exists(client: Client, ref: Ref) -> bool:
    return await client.get(ref.kind, ref.name, ref.namespace) is not None


async def workloads(client: Client) -> int:
    """DataVolumes that no DataImportCron made, as far as they are counted."""
    count = 0
    async for page, _ in client.list("DataVolume", labels=f"!{names.CRON}"):
        count += len(page)
        if count >= COUNTED:
            break
    return count


async def _read(client: Client, view: Cache, kind: str, name: str) -> None:
    if found := await client.get(kind, name):
        view.put(found)


async def _read_all(client: Client, view: Cache, kind: str) -> None:
    async for page, _ in client.list(kind):
        for obj in page:
            view.put(obj)
