"""A way to the API server on which things go wrong: what lies between a controller and its API server on a bad day.

A proxy on loopback that delays, refuses, overloads, fails, and cuts connections before a request or after it was
carried out; which request it hits is drawn from a seed. It can also be cut off entirely, and keeps a record of what
went through.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from tests.api.apiserver import ControlPlane

WRITES = ("POST", "PUT", "PATCH", "DELETE")
SLOWEST_S = 0.3
SHORTEST_WATCH_S, LONGEST_WATCH_S = 0.5, 3.0
HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Passed:
    """A request that reached the API server."""

    at_s: float
    """On this machine's monotonic clock."""
    method: str
    path: str


class DisturbedWay:
    """An async context manager; `kubeconfig` leads through it. `rate`: share of requests that each trouble hits."""

    def __init__(self, plane: ControlPlane, directory: Path, name: str, *, seed: int = 0, rate: float = 0.0) -> None:
        self.kubeconfig = directory / f"{name}.kubeconfig"
        self.passed: list[Passed] = []
        self.troubles: dict[str, int] = {}
        """How often each kind of trouble was made."""
        self._upstream = f"https://127.0.0.1:{plane.port}"
        self._plane = plane
        self._random = Random(seed)
        self._rate = rate
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=ssl._create_unverified_context(), limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        document = json.loads(self._plane.kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": f"http://{host}:{port}"}
        self.kubeconfig.write_text(json.dumps(document))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def cut(self) -> None:
        """From now on nothing gets through in either direction, and nobody is told."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def calm(self) -> None:
        """No more trouble."""
        self._rate = 0.0

    def writes_since(self, at_s: float) -> list[Passed]:
        return [each for each in self.passed if each.at_s > at_s and each.method in WRITES]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await self._open.wait()
        body = await request.read()
        trouble = self._draw(request)
        if trouble == "slow":
            await asyncio.sleep(self._random.random() * SLOWEST_S)
        elif trouble == "cut before":
            return _cut(request)
        elif trouble in ("conflict", "overloaded", "broken"):
            return _refuse(trouble)
        # Whoever asked may have gone away while the way was cut: then the request never went further.
        if request.transport is None or request.transport.is_closing():
            return _cut(request)
        self.passed.append(Passed(time.monotonic(), request.method, request.path_qs))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = f"{self._upstream}{request.rel_url}"
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=("Content-Type",)
        ) as answer:
            if "watch" in request.query:
                return await self._stream(request, answer)
            content = await answer.read()
            await self._open.wait()
            if trouble == "cut after":
                return _cut(request)
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            return web.Response(status=answer.status, body=content, headers=kept)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """A watch; on a bad day it is cut some time."""
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        lasts_s = self._random.uniform(SHORTEST_WATCH_S, LONGEST_WATCH_S) if self._rate else None
        try:
            async with asyncio.timeout(lasts_s):
                async for part in answer.content.iter_any():
                    await self._open.wait()
                    await response.write(part)
        except TimeoutError:
            self._count("watch cut")
            return _cut(request)
        return response

    def _draw(self, request: web.Request) -> str:
        kinds = ["slow", "cut before", "cut after", "overloaded", "broken"]
        if request.method in ("PUT", "PATCH", "POST"):
            kinds.append("conflict")
        drawn = int(self._random.random() / self._rate) if self._rate else len(kinds)
        if drawn >= len(kinds):
            return ""
        self._count(kinds[drawn])
        return kinds[drawn]

    def _count(self, trouble: str) -> None:
        self.troubles[trouble] = self.troubles.get(trouble, 0) + 1


def _cut(request: web.Request) -> web.StreamResponse:
    """The connection ends without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


REFUSALS = {
    "conflict": (409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    "overloaded": (429, "TooManyRequests", "too many requests, please try again later"),
    "broken": (500, "InternalError", "etcdserver: leader changed"),
}


def _refuse(trouble: str) -> web.Response:
    code, reason, message = REFUSALS[trouble]
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    headers = {"Retry-After": "1"} if code == 429 else {}
    return web.json_response({**document, "message": message}, status=code, headers=headers)
