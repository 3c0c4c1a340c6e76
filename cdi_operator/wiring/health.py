"""What the kubelet and Prometheus ask the process over HTTP: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest

disable_created_metrics()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def serve(port: int, ready: Callable[[], str]) -> AsyncIterator[None]:
    """On all addresses, for as long as the block runs; nothing when `port` is 0.

    `ready` says what the process still waits for, the empty string when nothing. It is ready as a standby too: it
    could lead at any moment. Alive means that the event loop answers.
    """
    if not port:
        yield
        return

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(request: web.Request) -> web.Response:
        missing = ready()
        return web.Response(text=f"waiting for {missing}" if missing else "ok", status=503 if missing else 200)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
