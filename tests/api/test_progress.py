"""The scraper against a worker's real HTTPS endpoint, with a certificate that nobody signed."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cdi_operator.cluster import progress
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.progress import Scraper
from tests.api.conftest import eventually, until_still


class Worker:
    """Tells its percentage to whoever asks, and counts that."""

    def __init__(self) -> None:
        self.percent = 0.0
        self.asked = 0
        self.port = 0

    async def metrics(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(text=f'kubevirt_cdi_import_progress_total{{ownerUID="dv"}} {self.percent}\n')

    def pod(self, version: int, phase: str = "Running") -> dict[str, Any]:
        container = {"name": "importer", "ports": [{"name": "metrics", "containerPort": self.port}]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "importer", "namespace": "ns", "uid": "pod", "resourceVersion": str(version)},
            "spec": {"containers": [container]},
            "status": {"phase": phase, "podIP": "127.0.0.1"},
        }


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"
    command = f"openssl req -x509 {curve} -nodes -subj /CN=nobody -days 1 -keyout {key} -out {certificate}"
    await asyncio.to_thread(subprocess.run, command.split(), check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    serving = Worker()
    app = web.Application()
    app.add_routes([web.get("/metrics", serving.metrics)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    serving.port = runner.addresses[0][1]
    yield serving
    await runner.cleanup()


async def test_percentages_arrive_while_the_worker_runs_and_not_after(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    cache, woken = Cache(), list[float | None]()

    def percent() -> float | None:
        told = cache.progress("pod")
        return told.percent if told else None

    scraper = Scraper(cache)
    cache.subscribe(lambda pod: woken.append(percent()))
    scraping = asyncio.create_task(scraper.run())

    cache.put(worker.pod(1, "Pending"))
    cache.put(worker.pod(2))
    await eventually(lambda: percent() == 0.0)
    worker.percent = 12.5
    await eventually(lambda: percent() == 12.5)
    worker.percent = 12.9
    asked = worker.asked
    await eventually(lambda: worker.asked > asked + 5)
    assert woken == [None, None, 0.0, 12.5], "less than a percent more wakes nobody"

    cache.put(worker.pod(3, "Succeeded"))
    await until_still(lambda: worker.asked, 0.2)
    assert not scraping.done()
    scraping.cancel()


async def test_a_worker_that_does_not_answer_is_asked_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    cache = Cache()
    scraping = asyncio.create_task(Scraper(cache).run())
    await asyncio.sleep(0)
    silent = worker.pod(1)
    silent["metadata"] |= {"uid": "silent", "name": "silent"}
    silent["spec"]["containers"][0]["ports"][0]["containerPort"] = 1
    cache.put(silent)
    cache.put(worker.pod(2))
    await eventually(lambda: worker.asked > 2)
    assert cache.progress("silent") is None
    assert not scraping.done()
    scraping.cancel()
