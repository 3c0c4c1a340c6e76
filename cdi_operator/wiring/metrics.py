"""What Prometheus reads: over HTTPS, and only by those who may (spec 9).

Every replica tells of itself (`cdi_...`); of the cluster (`kubevirt_cdi_...`) only the one that leads, or sums over
the replicas would count everything twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import astuple, fields

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cdi_operator.flows.figures import ProfileInfo, profile_infos, waiting_for_default_class
from cdi_operator.flows.view import View
from cdi_operator.wiring.certificate import self_signed_context
from cdi_operator.wiring.gate import OK, PATH, UNAUTHORIZED, Gate

disable_created_metrics()  # type: ignore[no-untyped-call]

LABELS = tuple(each.name for each in fields(ProfileInfo))


class Figures(Collector):
    def __init__(self, view: View) -> None:
        self._view = view

    def collect(self) -> Iterator[GaugeMetricFamily]:
        info = GaugeMetricFamily(
            "kubevirt_cdi_storageprofile_info",
            "One for each StorageProfile, with what is known of it in its labels",
            labels=LABELS,
        )
        for found in profile_infos(self._view):
            info.add_metric([_text(value) for value in astuple(found)], 1)
        yield info
        yield GaugeMetricFamily(
            "kubevirt_cdi_datavolume_pending",
            "DataVolumes that wait for a default StorageClass",
            value=waiting_for_default_class(self._view),
        )


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


@contextmanager
def of_the_cluster(view: View) -> Iterator[None]:
    """They are told while the block runs."""
    figures = Figures(view)
    REGISTRY.register(figures)
    try:
        yield
    finally:
        REGISTRY.unregister(figures)


@asynccontextmanager
async def serve(port: int, gate: Gate) -> AsyncIterator[None]:
    """On all addresses, for as long as the block runs; nothing when `port` is 0."""
    if not port:
        yield
        return

    async def metrics(request: web.Request) -> web.Response:
        status = await gate.judge(request.headers.get("Authorization", ""))
        if status != OK:
            asked = {"WWW-Authenticate": "Bearer"} if status == UNAUTHORIZED else None
            return web.Response(status=status, headers=asked)
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get(PATH, metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port, ssl_context=self_signed_context("cdi-prometheus-metrics")).start()
        yield
    finally:
        await runner.cleanup()
