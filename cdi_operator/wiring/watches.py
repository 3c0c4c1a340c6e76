"""The one room where kopf is: it watches the cluster's configuration and tells the cache.

Its handlers only put what they see into the cache. kopf starts them when all its indices are filled, so the event of
an object that is always there (the definition of our own kind) says that the cache is complete.

Objects that users make by the thousand come through `cluster.informer` instead, which says why. kopf keeps nothing on
any object: there are no handlers here for which it would write an annotation or a finalizer, and its events are off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import kopf
import structlog

from cdi_operator.cluster.access import Access
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.cluster.kinds import KINDS

log = structlog.get_logger(__name__)

CONFIGURATION = ("CDI", "CDIConfig", "CSIDriver", "StorageClass", "StorageProfile")
DEFINITIONS = ("apiextensions.k8s.io", "v1", "customresourcedefinitions")
OUR_DEFINITION = "datavolumes.cdi.kubevirt.io"
SETTLE_S = 1.0
RECOUNT_RETRY_S = 5.0


class Watches:
    """`run` returns only when kopf ends by itself, which it should not."""

    def __init__(self, access: Access, client: Client, cache: Cache) -> None:
        self.synced = asyncio.Event()
        self._access = access
        self._client = client
        self._cache = cache
        self._relisted = asyncio.Event()

    def relisted(self) -> None:
        """The API server does not know what was before: kopf may have missed deletions."""
        self._relisted.set()

    async def run(self, started: Callable[[], None]) -> None:
        """`started` is called when kopf has taken the signals of the process, so that it can be asked for them back."""
        ready = asyncio.Event()
        running = asyncio.create_task(
            kopf.operator(
                registry=self._registry(), settings=settings(), standalone=True, clusterwide=True, ready_flag=ready
            )
        )
        announcement = asyncio.create_task(_announce(ready, started))
        try:
            await running
        finally:
            running.cancel()
            announcement.cancel()

    async def recount(self) -> None:
        """kopf does not tell what a relist lacks. Count for ourselves whenever there was one."""
        while True:
            await self._relisted.wait()
            await asyncio.sleep(SETTLE_S)
            self._relisted.clear()
            try:
                for kind in CONFIGURATION:
                    uids, version = set[str](), ""
                    async for objects, version in self._client.list(kind):  # noqa: B007 - of all pages alike
                        uids |= {obj["metadata"]["uid"] for obj in objects}
                    self._cache.retain(kind, uids, version)
            except (ApiError, Unreachable) as error:
                log.warning("cannot recount the cluster's configuration, trying again", error=str(error))
                await asyncio.sleep(RECOUNT_RETRY_S)
                self._relisted.set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        for name in CONFIGURATION:
            kind = KINDS[name]
            place = (kind.group, kind.api_version.rpartition("/")[2], kind.plural)
            kopf.index(*place, id=f"{kind.plural}-index", registry=registry)(self._seen)
            kopf.on.event(*place, id=kind.plural, registry=registry)(self._happened)
        kopf.on.event(*DEFINITIONS, id="ready", registry=registry)(self._complete)
        return registry

    async def _seen(self, body: kopf.Body, **_: Any) -> None:
        self._cache.put(dict(body))

    async def _happened(self, type: str | None, event: kopf.RawEvent, **_: Any) -> None:
        if type == "DELETED":
            self._cache.forget(dict(event["object"]))
        elif type is None and self.synced.is_set():
            self.relisted()

    async def _complete(self, **_: Any) -> None:
        self.synced.set()

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        await self._access.renew()
        configuration = self._access.configuration
        scheme, token = [*(await self._access.authorization() or "").split(" ", 1), ""][:2]
        return kopf.ConnectionInfo(
            server=self._access.server,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            scheme=scheme.title() or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )


def settings() -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    # Nothing of kopf's own appears in the cluster.
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    # The kinds are known to be there before kopf starts: it need not hold every definition of the cluster in memory.
    chosen.scanning.disabled = True
    chosen.watching.field_selectors[DEFINITIONS] = f"metadata.name={OUR_DEFINITION}"
    chosen.watching.chunk_size = 500
    chosen.watching.server_timeout = 280
    chosen.watching.connect_timeout = 5
    chosen.watching.inactivity_timeout = 90
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    # An API server that restarts is back within seconds; after ten minutes without it another process shall try.
    chosen.networking.error_backoffs = (0.2, 0.5, *(1.0,) * 600)
    chosen.process.ultimate_exiting_timeout = None
    return chosen


async def _announce(ready: asyncio.Event, started: Callable[[], None]) -> None:
    await ready.wait()
    started()
