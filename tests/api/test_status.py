"""How a transfer is told, from a worker that really runs to the DataVolume; only the kubelet is played by the test."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object, Ref
from importer_image.job import Job
from tests.api import node
from tests.api.conftest import Start, eventually
from tests.api.objects import CLAIM, volume_on

SIZE_BYTES = 16 << 20
PIECE_BYTES, PIECE_S = 128 << 10, 0.06
WORKER = "import sys; from importer_image.main import main; sys.exit(main([]))"


@pytest.fixture
async def slow_server() -> AsyncIterator[str]:
    """An image at two megabytes a second, without ranges, at /image; nothing elsewhere."""

    async def image(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(SIZE_BYTES)})
        await response.prepare(request)
        for _ in range(SIZE_BYTES // PIECE_BYTES):
            await response.write(os.urandom(PIECE_BYTES))
            await asyncio.sleep(PIECE_S)
        return response

    app = web.Application()
    app.add_routes([web.get("/image", image)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def appears(client: Client, kind: str, name: str, namespace: str) -> Object:
    async def there() -> bool:
        return await client.get(kind, name, namespace) is not None

    await eventually(there)
    return await client.get(kind, name, namespace) or {}


async def worker_pod(client: Client, namespace: str, storage: str) -> Object:
    """Of a DataVolume that is made for it."""
    await client.create(volume_on(namespace, storage))
    target = await appears(client, CLAIM, "vm-disk", namespace)
    prime = await appears(client, CLAIM, f"prime-{target['metadata']['uid']}", namespace)
    await node.provision(client, prime)
    return await appears(client, "Pod", f"importer-{prime['metadata']['name']}", namespace)


async def begun(pod: Object, url: str, directory: Path) -> asyncio.subprocess.Process:
    """The worker, with the job of its pod, but for where it reads and writes."""
    job = Job.from_json(pod["spec"]["containers"][0]["env"][0]["value"])
    job = replace(job, source=replace(job.source, url=url), target=replace(job.target, path=str(directory)))
    environment = {**os.environ, "CDI_JOB": job.to_json(), "CDI_TERMINATION_LOG": str(directory / "said")}
    return await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, env=environment)


async def status_of(client: Client, namespace: str) -> dict[str, Any]:
    found = await client.get("DataVolume", "vm-disk", namespace) or {}
    return dict(found.get("status") or {})


async def test_how_far_how_fast_until_when(
    client: Client, namespace: str, storage: str, start: Start, slow_server: str, tmp_path: Path
) -> None:
    start("one")
    pod = await worker_pod(client, namespace, storage)
    worker = await begun(pod, f"{slow_server}/image", tmp_path)
    await node.run(client, pod, address="127.0.0.1")
    seen: list[dict[str, Any]] = []
    while worker.returncode is None:
        status = await status_of(client, namespace)
        if status not in seen:
            seen.append(status)
        await asyncio.sleep(0.1)
    assert worker.returncode == 0
    await node.end(client, pod, "Succeeded", 0, (tmp_path / "said").read_text())

    async def done() -> bool:
        transfer: dict[str, Any] = (await status_of(client, namespace)).get("transfer", {})
        # A worker that is still there may say so itself, shortly before its report does.
        return transfer.get("stage") == "done" and "stageSeconds" in transfer

    await eventually(done)
    seen.append(await status_of(client, namespace))
    told = [status.get("transfer", {}) for status in seen]
    # A look may fall into the moments before and after, whose stages have a speed, too.
    moving = [each for each in told if each.get("speed") and each["stage"] == "transfer"]
    assert len(moving) >= 2
    for each in moving:
        assert (each["format"], each["totalBytes"]) == ("raw", SIZE_BYTES)
        assert each["message"] == "transferring"
    assert any(each.get("etaSeconds") and each.get("eta") for each in moving)
    counts = [each.get("sourceBytes", 0) for each in told]
    assert counts == sorted(counts)
    assert told[-1]["sourceBytes"] == SIZE_BYTES
    assert told[-1]["averageSpeedBytesPerSecond"] > 0
    assert {"connect", "inspect", "transfer", "fetch", "write", "sync"} <= told[-1]["stageSeconds"].keys()
    assert not {"speed", "eta", "error"} & told[-1].keys()


async def test_a_permanent_error_stays_in_sight(
    client: Client, namespace: str, storage: str, start: Start, slow_server: str, tmp_path: Path
) -> None:
    start("one")
    pod = await worker_pod(client, namespace, storage)
    worker = await begun(pod, f"{slow_server}/nothing", tmp_path)
    await node.run(client, pod, address="127.0.0.1")
    assert await worker.wait() == 1
    said = (tmp_path / "said").read_text()

    async def failing() -> Object | None:
        conditions = (await status_of(client, namespace)).get("conditions", ())
        return next((each for each in conditions if each["type"] == "Failing"), None)

    await node.crash(client, pod, said, restarts=1)
    await eventually(failing)
    first = await failing()
    assert first is not None
    assert (first["status"], first["reason"]) == ("True", "PermanentError")
    assert first["message"].endswith("404 Not Found. There is no such file on the server: check the URL.")
    await node.run_again(client, pod, said, restarts=1)

    async def runs() -> bool:
        conditions = (await status_of(client, namespace)).get("conditions", ())
        return any((each["type"], each["status"]) == ("Running", "True") for each in conditions)

    await eventually(runs)
    assert await failing() == first
    await client.delete(Ref.of(pod))
