"""The parts of the controller put together: who follows the cluster, who is woken by it, who works.

informers, kopf -> cache -> triggers -> queues -> reconciler -> applier -> API server
                     ^--------------------------------------------|
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from cdi_operator.api.annotations import API_VERSION, GROUP
from cdi_operator.cluster.access import Access
from cdi_operator.cluster.apply import Applier, utc_now
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.cluster.events import Recorder
from cdi_operator.cluster.informer import FOLLOWED, Informer, followed
from cdi_operator.cluster.kinds import KINDS
from cdi_operator.cluster.progress import Scraper
from cdi_operator.flows.actions import Object
from cdi_operator.flows.defaults import defaults
from cdi_operator.flows.settings import Settings
from cdi_operator.wiring.flows import FLOWS, Flow
from cdi_operator.wiring.log import set_verbosity
from cdi_operator.wiring.queue import WorkQueue
from cdi_operator.wiring.reconcile import Reconciler
from cdi_operator.wiring.triggers import TRIGGERS, at_start, woken_by
from cdi_operator.wiring.watches import CONFIGURATION, Watches

log = structlog.get_logger(__name__)

NEEDED = frozenset(KINDS[kind].plural for kind in (*FOLLOWED, *CONFIGURATION) if KINDS[kind].api_version == API_VERSION)
DEFINITIONS_RETRY_S = 1.0
FINISH_S = 1.5
"""How long a key that is being worked on may take to the end when the process is asked to stop."""
LAST_EVENTS_S = 0.5


class Controller:
    def __init__(self, access: Access, client: Client, settings: Settings) -> None:
        self.cache = Cache()
        self._client = client
        self._watches = Watches(access, client, self.cache)
        selections = followed(settings.namespace)
        self._informers = [
            Informer(client, self.cache, selection, self._watches.relisted) for selection in selections.values()
        ]
        self._recorder = Recorder(client, utc_now)
        self._scraper = Scraper(self.cache)
        self._queues = {flow.name: WorkQueue(flow.name, flow.workers) for flow in FLOWS}
        applier = Applier(client, self.cache, self._recorder, utc_now, selections)
        self._reconciler = Reconciler(self.cache, applier, settings, utc_now)
        self._own_namespace = settings.namespace
        self._has_definitions = False
        self._verbosity = settings.verbosity
        self.cache.subscribe(self._heed_verbosity)

    def missing(self) -> str:
        """What the cache is not complete without; empty when it is."""
        if not self._has_definitions:
            return "the CustomResourceDefinitions of CDI"
        if not self._watches.synced.is_set():
            return "the configuration of the cluster"
        return ", ".join(informer.kind for informer in self._informers if not informer.synced.is_set())

    async def definitions(self) -> None:
        """Wait until the cluster serves our kinds."""
        said = ""
        while True:
            lacking = await self._lacking()
            if not lacking:
                self._has_definitions = True
                return
            if lacking != said:
                log.warning("waiting", until=lacking)
                said = lacking
            await asyncio.sleep(DEFINITIONS_RETRY_S)

    async def synced(self) -> None:
        await self._watches.synced.wait()
        for informer in self._informers:
            await informer.synced.wait()

    def following(self, started: Any) -> list[Coroutine[Any, Any, None]]:
        """What keeps the cache true, each to be run as a task for as long as the process lives."""
        return [
            *(informer.run() for informer in self._informers),
            self._watches.run(started),
            self._watches.recount(),
        ]

    async def work(self, while_leading: Coroutine[Any, Any, None]) -> None:
        """Look after keys until `while_leading` ends by an exception (stop at once) or this task is cancelled (stop
        when the keys that were begun are finished).
        """
        self._wake_everything()
        async with asyncio.TaskGroup() as group:
            posting = group.create_task(self._recorder.run())
            scraping = group.create_task(self._scraper.run())
            serving = [group.create_task(self._serve(flow)) for flow in FLOWS]
            try:
                await while_leading
            except asyncio.CancelledError:
                for queue in self._queues.values():
                    queue.stop()
                _, unfinished = await asyncio.wait(serving, timeout=FINISH_S)
                await self._recorder.flush(LAST_EVENTS_S)
                for task in (posting, scraping, *unfinished):
                    task.cancel()
                raise

    async def _serve(self, flow: Flow) -> None:
        await self._queues[flow.name].run(lambda key: self._reconciler.look(flow, key))

    def _wake_everything(self) -> None:
        """Only who works is woken: the queues of a standby would grow with every object that ever was."""
        self.cache.subscribe(self._wake)
        for flow, key in at_start(self._own_namespace):
            self._queues[flow].add(key)
        for kind in TRIGGERS:
            for obj in self.cache.all(kind):
                self._wake(obj)

    def _heed_verbosity(self, obj: Object) -> None:
        """The reference restarts its pods for this."""
        if obj["kind"] == "CDIConfig":
            set_verbosity(defaults(self.cache).verbosity or self._verbosity)

    def _wake(self, obj: Object) -> None:
        for flow, key in woken_by(obj, self.cache):
            self._queues[flow].add(key)

    async def _lacking(self) -> str:
        try:
            served = {each["name"] for each in (await self._client.read(f"/apis/{API_VERSION}"))["resources"]}
        except Unreachable as error:
            return f"the API server answers: {error}"
        except ApiError as error:
            if error.status != 404:
                return f"the API server lets us in: {error}"
            served = set()
        absent = ", ".join(sorted(f"{plural}.{GROUP}" for plural in NEEDED - served))
        return f"these CustomResourceDefinitions are installed: {absent}" if absent else ""
