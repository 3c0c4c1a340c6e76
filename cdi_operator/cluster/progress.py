"""Asks running workers how far they are (spec 3.8): HTTPS on the port named `metrics`, a page of text, into the cache.

The worker's certificate is its own, so it is not verified; what comes back is only ever read as numbers and two words.
Nothing happens while no worker runs. What a worker tells is passed on when it is worth a write of everybody whom it
concerns: a percent more, something new, or every CALM_S.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from cdi_operator.cluster.cache import Cache
from cdi_operator.flows.actions import Object
from cdi_operator.flows.transfer import Reading, Transfer

log = structlog.get_logger(__name__)

EVERY_S = 2.0
CALM_S = 10.0
"""A transfer that moves less than a percent is told of this often: it has a speed all the same."""
TIMEOUT_S = 2.0
AT_ONCE = 16
LONGEST_ANSWER_BYTES = 256 << 10
PERCENT = re.compile(
    rb"""kubevirt_cdi_(?:import|clone)_progress_total\{ownerUID="[^"]+"\} (\d{1,3}(?:\.\d*)?)(?:\s|$)"""
)
COUNT = re.compile(rb"""^kubevirt_cdi_(?:import|clone)_(\w+)\{ownerUID="[^"]+"\} (\d{1,18})(?:\.\d*)?$""", re.MULTILINE)
ABOUT = re.compile(rb"""^kubevirt_cdi_(?:import|clone)_info\{ownerUID="[^"]+",([^}]*)\} 1$""", re.MULTILINE)
WORD = re.compile(rb"""(\w+)="([\w. +-]{1,40})\"""")


@dataclass(frozen=True)
class _Told:
    reading: Reading
    at_s: float


class Scraper:
    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._told: dict[str, _Told] = {}
        """The last that was passed on of each worker that runs."""
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
                    answer = await _scrape(session, url)
                if (told := reading_in(answer)) is not None:
                    self._pass_on(pod, told)

            while True:
                await self._something_runs.wait()
                self._something_runs.clear()
                while targets := [(pod, url) for pod in self._cache.all("Pod") if (url := metrics_url(pod))]:
                    running = {pod["metadata"]["uid"] for pod, _ in targets}
                    self._told = {uid: told for uid, told in self._told.items() if uid in running}
                    async with asyncio.TaskGroup() as group:
                        group.create_task(asyncio.sleep(EVERY_S))
                        for pod, url in targets:
                            group.create_task(ask(pod, url))

    def _pass_on(self, pod: Object, told: Reading) -> None:
        uid, now_s = pod["metadata"]["uid"], time.monotonic()
        before = self._told.get(uid)
        if before is None or worth_telling(before.reading, told, now_s - before.at_s):
            self._told[uid] = _Told(told, now_s)
            self._cache.measured(pod, told)

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


def worth_telling(before: Reading, now: Reading, passed_s: float) -> bool:
    """Whether what a worker tells is different enough from the last that was passed on, so many seconds ago."""
    was, told = before.transfer, now.transfer
    if (was.stage, was.format, was.total_bytes) != (told.stage, told.format, told.total_bytes):
        return True
    if abs((now.percent or 0.0) - (before.percent or 0.0)) >= 1.0:
        return True
    return now != before and passed_s >= CALM_S


def reading_in(answer: bytes) -> Reading | None:
    """What a page of metrics says; None when it says nothing of a transfer."""
    percent = PERCENT.search(answer)
    counts = {name.decode(): int(digits) for name, digits in COUNT.findall(answer)}
    about = ABOUT.search(answer)
    words = {name.decode(): text.decode() for name, text in WORD.findall(about[1])} if about else {}
    if not (percent or about):
        return None
    resumed_bytes = counts.get("resumed_bytes", 0)
    return Reading(
        min(100.0, float(percent[1])) if percent else None,
        Transfer(
            stage=words.get("stage", ""),
            format=words.get("format", ""),
            source_bytes=resumed_bytes + counts.get("source_bytes_total", 0),
            total_bytes=counts.get("source_size_bytes", 0),
            written_bytes=counts.get("written_bytes_total", 0),
            virtual_size_bytes=counts.get("virtual_size_bytes", 0),
            resumed_bytes=resumed_bytes,
            speed_bytes_per_second=counts.get("speed_bytes_per_second", 0),
            average_speed_bytes_per_second=counts.get("average_speed_bytes_per_second", 0),
            eta_seconds=counts.get("eta_seconds", 0),
        ),
    )


async def _scrape(session: Any, url: str) -> bytes:
    """Empty when it does not answer: it may just have ended, the pod's status will tell."""
    try:
        async with session.get(url) as response:
            answer = b""
            async for part in response.content.iter_any():
                answer += part
                if len(answer) > LONGEST_ANSWER_BYTES:
                    return b""
            return answer
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        log.debug("worker does not tell its progress", url=url, error=str(error))
        return b""


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
