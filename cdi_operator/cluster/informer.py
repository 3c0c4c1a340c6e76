"""Keeps the cache true for one kind: list, then watch, and list again when the watch has lost its place.

Why not kopf for all kinds: it starts a task for every object and holds all of them behind a barrier until each index
is filled, which grows with the square of the number (measured: 1,000 objects 3.8 s of CPU, 3,000 more than 35 s,
10,000 claims without the barrier 140 MiB at the start), and after a relist it does not tell of what has vanished
meanwhile. Here a page of the list is 500 puts, and what a relist does not show any more is forgotten.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from cdi_operator.api.annotations import APP, APP_NAME, COMPONENT
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.flows.actions import Object

log = structlog.get_logger(__name__)

RETRY_S = (0.2, 0.5, 1.0, 2.0)
"""Waits after the first, second ... failure in a row; the last one repeats. An API server restarts in 2 to 10 s."""
ABSENT_AFTER = 3
"""Believe that a kind is gone, with all its objects, after so many answers: a starting API server may err once."""
ABSENT_RETRY_S = 30.0
"""How often to look whether an optional kind was installed."""


@dataclass(frozen=True)
class Selection:
    """What of a kind to follow."""

    kind: str
    labels: Mapping[str, str] = field(default_factory=dict)
    fields: str = ""
    namespace: str = ""
    """Only there; empty for everywhere."""
    own: bool = False
    """Only in the namespace of the installation."""
    name: str = ""
    """One object only: all that a right for a name allows to follow."""
    optional: bool = False
    """A cluster may not serve this kind; then it is as if there were none of it."""
    data: tuple[str, ...] = ()
    """Of a secret, all that is taken into memory; empty for everything."""

    @property
    def query(self) -> dict[str, str]:
        labels = ",".join(f"{key}={value}" for key, value in self.labels.items())
        fields = f"metadata.name={self.name}" if self.name else self.fields
        return {"namespace": self.namespace, "labels": labels, "fields": fields}

    def trimmed(self, obj: Object) -> Object:
        if not self.data:
            return obj
        return {**obj, "data": {key: value for key, value in (obj.get("data") or {}).items() if key in self.data}}

    def covers(self, obj: Object) -> bool:
        """Whether an object of this kind is followed, as far as its place and its labels decide that."""
        meta = obj["metadata"]
        labels = meta.get("labels") or {}
        here = self.namespace in ("", meta.get("namespace", "")) and self.name in ("", meta["name"])
        return here and all(labels.get(key) == value for key, value in self.labels.items())


class Informer:
    """`run` never returns. `synced` is set once the cache is complete for the first time."""

    def __init__(
        self, client: Client, cache: Cache, selection: Selection, relisted: Callable[[], None] = lambda: None
    ) -> None:
        self.kind = selection.kind
        self.synced = asyncio.Event()
        self._client = client
        self._cache = cache
        self._selection = selection
        self._relisted = relisted

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._follow(version)
            except (ApiError, Unreachable) as error:
                await self._pause("list", error, failures)
                failures += 1

    async def _list(self) -> str:
        """The version that the cache is now as of."""
        chosen, uids, version = self._selection, set[str](), ""
        async for objects, version in self._client.list(chosen.kind, **chosen.query):  # noqa: B007 - of all pages alike
            for obj in objects:
                uids.add(obj["metadata"]["uid"])
                self._cache.put(chosen.trimmed(obj))
        self._cache.retain(chosen.kind, uids, version, chosen.covers)
        if self.synced.is_set():
            self._relisted()
        self.synced.set()
        return version

    async def _follow(self, version: str) -> None:
        """Take in every change since `version`; return when the API server does not know it any more."""
        chosen, failures = self._selection, 0
        while True:
            try:
                async for change, obj in self._client.watch(chosen.kind, version, **chosen.query):
                    version, failures = obj["metadata"]["resourceVersion"], 0
                    if change == "DELETED":
                        self._cache.forget(obj)
                    elif change != "BOOKMARK":
                        self._cache.put(chosen.trimmed(obj))
            except (ApiError, Unreachable) as error:
                if isinstance(error, ApiError) and error.status in (404, 410):
                    log.info("watch has lost its place, listing again", kind=chosen.kind)
                    return
                await self._pause("watch", error, failures)
                failures += 1

    async def _pause(self, verb: str, error: ApiError | Unreachable, failures: int) -> None:
        wait_s = max(RETRY_S[min(failures, len(RETRY_S) - 1)], getattr(error, "retry_after_s", 0.0))
        if isinstance(error, ApiError) and error.status == 404:
            if failures >= ABSENT_AFTER:
                self._cache.retain(self._selection.kind, (), str(sys.maxsize), self._selection.covers)
            if self._selection.optional:
                self.synced.set()
                wait_s = ABSENT_RETRY_S
        if failures == 0 and not self._selection.optional:
            log.warning(f"cannot {verb}, trying again", kind=self._selection.kind, error=str(error))
        await asyncio.sleep(wait_s)


FOLLOWED: Mapping[str, Selection] = {
    selection.kind: selection
    for selection in (
        Selection("DataVolume"),
        Selection("PersistentVolumeClaim"),
        Selection("PersistentVolume"),
        Selection("VolumeImportSource"),
        Selection("ConfigMap", own=True),
        Selection("Pod", labels={APP: APP_NAME}),
        Selection("Event", fields="involvedObject.kind=PersistentVolumeClaim"),
        Selection("MutatingWebhookConfiguration", labels={COMPONENT: ""}),
        Selection("ValidatingWebhookConfiguration", labels={COMPONENT: ""}),
        Selection("VolumeSnapshotClass", optional=True),
        # How the upload proxy is reached from outside.
        Selection("Ingress", own=True),
        # Certificates, its and our own, without their keys.
        Selection("Secret", fields="type=kubernetes.io/tls", own=True, data=("tls.crt",)),
        # OpenShift's own.
        Selection("Route", own=True, optional=True),
        Selection("Proxy", optional=True),
        Selection("Infrastructure", optional=True),
    )
}
"""What the controller follows by informer; the few objects of a cluster's configuration come through kopf."""


def followed(own_namespace: str) -> Mapping[str, Selection]:
    """`FOLLOWED` for an installation in that namespace."""
    return {
        kind: replace(selection, namespace=own_namespace) if selection.own else selection
        for kind, selection in FOLLOWED.items()
    }
