"""Asks running workers how far they are (spec 3.8): HTTPS on the port named `metrics`, one number, into the cache.

The worker's certificate is its own, so it is not verified; what comes back is only ever read as a percentage.
Nothing happens while no worker runs.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

import aiohttp
import structlog

from cdi_operator.cluster.cache import Cache
from cdi_operator.flows.actions import Object

log = structlog.get_logger(__name__)

EVERY_S = 2.0
TIMEOUT_S = 2.0
AT_ONCE = 16
LONGEST_ANSWER_BYTES = 256 << 10
PERCENT = re.compile(
    rb"""kubevirt_cdi_(?:import|clone)_progress_total\{ownerUID="[^"]+"\} (\d{1,3}(?:\.\d*)?)(?:\s|$)"""
)


class Scraper:
    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._something_runs = asyncio.Event()
        cache.subscribe(self._notice)

    async def run(self) -> None:
        """Until cancelled."""
        places = asyncio.Semaphore(AT_ONCE)
        connector = aiohttp.TCPConnector(ssl=_unverified(), keepalive_timeout=3 * EVERY_S)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

            async def ask(pod: Object, url: str) -> None:
                async with places:
                    percent = await _scrape(session, url)
                if percent is not None:
                    self._cache.measured(pod, percent)

            while True:
                await self._something_runs.wait()
                self._something_runs.clear()
                while targets := [(pod, url) for pod in self._cache.all("Pod") if (url := metrics_url(pod))]:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(asyncio.sleep(EVERY_S))
                        for pod, url in targets:
                            group.create_task(ask(pod, url))

    def _notice(self, obj: Object) -> None:
        if obj["kind"] == "Pod" and metrics_url(obj):
            self._something_runs.set()


def metrics_url(pod: Object) -> str:
    """Where a worker answers; empty while it does not run."""
    status = pod.get("status") or {}
    if status.get("phase") != "Running" or not status.get("podIP"):
        return ""
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports") or ())
    port = next((port["containerPort"] for port in ports if port.get("name") == "metrics"), None)
    if port is None:
        return ""
    host = f"[{status['podIP']}]" if ":" in status["podIP"] else status["podIP"]
    return f"https://{host}:{port}/metrics"


def percent_in(answer: bytes) -> float | None:
    found = PERCENT.search(answer)
    return min(100.0, float(found[1])) if found else None


async def _scrape(session: Any, url: str) -> float | None:
    """None when it does not answer: it may just have ended, the pod's status will tell."""
    try:
        async with session.get(url) as response:
            answer = b""
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > LONGEST_ANSWER_BYTES:
                    return None
            return percent_in(answer)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.debug("worker does not tell its progress", url=url, error=str(error))
        return None


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
