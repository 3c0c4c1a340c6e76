"""`make bench-scale`: the controller among 1,000 DataVolumes and 10,000 claims and pods that are none of its business.

A real API server and scheduler, kwok for the nodes (`nodes`), the whole controller as a process of its own, and volumes
played by `tests.api.cluster`. Every object is on the API server, and each DataVolume goes all the way from created to
Succeeded.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.scale.measure import Memory, cpu_s, memory
from bench.scale.nodes import name_of, nodes
from bench.scale.patience import PATIENCE_S, STILL_S, all_of, appears, at_rest, still, until, until_none
from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object, Ref
from tests.api.apiserver import ControlPlane
from tests.api.cluster import living
from tests.api.controller import ControllerProcess
from tests.api.objects import CLAIM, claim, csi_driver, storage_class, volume_on

CRDS = Path(__file__).parents[2] / "manifests" / "chart" / "files" / "crds"
CLASS, OURS, THEIRS = "bench", "bench-volumes", "bench-strangers"
TOUCHES = 2000
"""Changes of a stranger's claim over which the cost of one is taken."""
SAMPLES = 20

LIMITS = {
    "memory, MiB": 400.0,
    "restart to ready, s": 20.0,
    "a new DataVolume planned, slowest, s": 1.0,
    "cost of an event, 10k to 1k objects": 1.5,
}
"""What the project promises; the last one with room for the noise of a quotient of two measurements."""


@dataclass(frozen=True)
class Sizes:
    few: int
    many: int
    volumes: int


class Bench:
    def __init__(self, plane: ControlPlane, client: Client, directory: Path, sizes: Sizes) -> None:
        self._plane = plane
        self._client = client
        self._directory = directory
        self._sizes = sizes
        self._starts = 0
        self.found: dict[str, float] = {}

    async def run(self) -> None:
        await self._furnish()
        await self._strangers(0, self._sizes.few)
        async with self._controller() as controller:
            few_ms = await self._cost_of_an_event(controller)
        await self._strangers(self._sizes.few, self._sizes.many)
        async with self._controller() as controller:
            many_ms = await self._cost_of_an_event(controller)
            self.found["CPU of an event among few, ms"] = few_ms
            self.found["CPU of an event among many, ms"] = many_ms
            self.found["cost of an event, 10k to 1k objects"] = many_ms / few_ms
            self._note("memory with the strangers only, MiB", memory(controller.pid).now_mib)
            async with living(self._client, OURS, with_kubelet=False):
                await self._volumes(controller)
                await self._planned(controller)
            self._remember(memory(controller.pid))
        await self._restart()

    async def _furnish(self) -> None:
        say("furnishing the API server")
        await self._client.apply(csi_driver())
        await self._client.apply(storage_class(CLASS))
        for name in (OURS, THEIRS):
            await self._client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def _strangers(self, first: int, last: int) -> None:
        say(f"claims and pods of others, up to {last} of each")
        numbers = range(first, last)
        await all_of(self._client.create(claim(THEIRS, f"claim-{number}")) for number in numbers)
        await all_of(self._client.create(strange_pod(f"pod-{number}", name_of(number))) for number in numbers)
        await until_none(lambda: self._client.list("Pod", namespace=THEIRS, fields="status.phase!=Running"))

    async def _cost_of_an_event(self, controller: ControllerProcess) -> float:
        """CPU milliseconds of the controller for one change of a claim that does not concern it."""
        say("changing claims that do not concern it")
        await at_rest(controller.pid)
        before_s = cpu_s(controller.pid)
        await all_of(self._touch(f"claim-{number % self._sizes.few}", str(number)) for number in range(TOUCHES))
        await at_rest(controller.pid)
        return (cpu_s(controller.pid) - before_s) * 1000 / TOUCHES

    async def _touch(self, name: str, value: str) -> Object:
        return await self._client.patch(Ref("v1", CLAIM, name, THEIRS), {"metadata": {"labels": {"touched": value}}})

    async def _volumes(self, controller: ControllerProcess) -> None:
        count = self._sizes.volumes
        say(f"{count} DataVolumes from created to Succeeded")
        before, cpu_before_s = controller.requests(), cpu_s(controller.pid)
        started = time.monotonic()
        await all_of(self._client.create(volume_on(OURS, CLASS, f"disk-{number}")) for number in range(count))
        await self._all_succeed(controller, count)
        self._note(f"{count} DataVolumes, s", time.monotonic() - started)
        await still(controller)
        after = controller.requests()
        made = {call: after[call] - before.get(call, 0) for call in after}
        self._note("requests for one DataVolume", sum(made.values()) / count)
        for call, number in sorted(made.items(), key=lambda item: -item[1]):
            if number >= count / 10:
                self._note(f"  {call}", number / count)
        self._note("CPU for one DataVolume, ms", (cpu_s(controller.pid) - cpu_before_s) * 1000 / count)

    async def _all_succeed(self, controller: ControllerProcess, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert controller.code is None, f"the controller has ended: {controller.log.read_text()[-1000:]}"
                phases = [
                    (volume.get("status") or {}).get("phase", "")
                    async for page, _ in self._client.list("DataVolume", namespace=OURS)
                    for volume in page
                ]
                done = phases.count("Succeeded")
                say(f"  {done} of {count}")
                if done == count:
                    return
                await asyncio.sleep(5)

    async def _planned(self, controller: ControllerProcess) -> None:
        """From the answer to its creation until its claim is there, one after the other."""
        say("new DataVolumes among them")
        took_s = []
        for number in range(SAMPLES):
            async with asyncio.timeout(PATIENCE_S):
                [(_, version)] = [page async for page in self._client.list("VolumeImportSource", namespace=THEIRS)]
                watch = self._client.watch(CLAIM, version, namespace=OURS)
                waiting = asyncio.create_task(appears(watch, f"new-{number}"))
                await self._client.create(volume_on(OURS, CLASS, f"new-{number}"))
                started = time.monotonic()
                await waiting
                took_s.append(time.monotonic() - started)
        self._note("a new DataVolume planned, median, s", statistics.median(took_s))
        self._note("a new DataVolume planned, slowest, s", max(took_s))
        await still(controller)

    async def _restart(self) -> None:
        say("a restart with everything there")
        started = time.monotonic()
        async with self._controller() as controller:
            self._note("restart to ready, s", time.monotonic() - started)
            await still(controller)
            self._note("restart until nothing is left to look at, s", time.monotonic() - started - STILL_S)
            self._remember(memory(controller.pid))

    def _remember(self, seen: Memory) -> None:
        self.found["memory, MiB"] = max(self.found.get("memory, MiB", 0.0), seen.peak_mib)

    def _note(self, what: str, value: float) -> None:
        self.found[what] = value

    @asynccontextmanager
    async def _controller(self) -> AsyncIterator[ControllerProcess]:
        """Ready."""
        self._starts += 1
        name = f"controller-{self._starts}"
        # Alone, so without a lease, which a machine that is busy with other things could let it lose.
        controller = ControllerProcess(
            str(self._plane.kubeconfig), "default", self._directory, name, verbosity=1, elects=False
        )
        try:
            await until(lambda: controller.ready)
            yield controller
        finally:
            controller.stop()


def strange_pod(name: str, node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": THEIRS},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "example.com/none"}]},
    }


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def table(found: dict[str, float], sizes: Sizes) -> Table:
    load = os.getloadavg()[0]
    shown = Table(
        title=f"{sizes.volumes} DataVolumes among {sizes.many} claims and {sizes.many} pods (load {load:.1f})"
    )
    shown.add_column("measured")
    shown.add_column("value", justify="right")
    shown.add_column("limit", justify="right")
    for what, value in found.items():
        limit = LIMITS.get(what)
        kept = "" if limit is None else f"{limit:g}" if value <= limit else f"[bold red]{limit:g}[/]"
        shown.add_row(what, f"{value:.2f}", kept)
    return shown


async def measure(sizes: Sizes) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as directory:
        plane = ControlPlane(Path(directory))
        try:
            plane.start()
            plane.kubectl("apply", "--server-side", "-f", str(CRDS))
            plane.kubectl("wait", "--for=condition=established", "--timeout=60s", "crd", "--all")
            with nodes(plane):
                async with Client(await Access.load(str(plane.kubeconfig))) as client:
                    bench = Bench(plane, client, Path(directory), sizes)
                    await bench.run()
                    return bench.found
        finally:
            plane.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--volumes", type=int, default=1000, help="DataVolumes (default: 1000)")
    parser.add_argument("--strangers", type=int, default=10000, help="claims, and as many pods (default: 10000)")
    options = parser.parse_args()
    sizes = Sizes(few=max(1, options.strangers // 10), many=options.strangers, volumes=options.volumes)
    # Asked to end, it shall clean up as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    found = asyncio.run(measure(sizes))
    console = Console(width=100)
    console.print(table(found, sizes))
    console.print(f"in {time.monotonic() - started:.0f} s")
    return int(any(found[what] > limit for what, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
