"""What the kubelet asks the process over HTTP: is it alive, is it ready. Prometheus comes in elsewhere: `metrics`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


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

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
