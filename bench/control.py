"""How long a DataVolume takes from apply to Succeeded, stage by stage, and what the controller pays for it.

`make bench-control` runs this against the cluster of KUBECONFIG, where the chart is installed. Times are taken where a
user stands: when a watch of the API server shows the change, in one process, on one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
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

from cdi_operator.api.annotations import API_VERSION
from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError
from cdi_operator.flows.actions import Ref
from demo import metrics, server
from demo.install import CONTROLLER_PODS, NAMESPACE
from demo.stopwatch import KINDS, STAGES, Run, Stopwatch
from devcluster import choose
from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl

TIMEOUT_S = 120.0
MIB = 1 << 20
REQUESTS = re.compile(r"^cdi_api_requests_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)
MEMORY = re.compile(r"^process_resident_memory_bytes (?P<bytes>[0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """What the leading controller has used since it started."""

    requests: float
    memory_bytes: float


def cost(kubectl: Kubectl, install: str) -> Cost:
    """From the metrics of every controller pod: a standby asks for nothing but its lease."""
    requests, memory = 0.0, 0.0
    own = kubectl.within(install)
    for pod in own.items("pods", CONTROLLER_PODS):
        text = metrics.read(own, pod["metadata"]["name"])
        counted = [match for match in REQUESTS.finditer(text) if 'kind="Lease"' not in match["labels"]]
        requests += sum(float(match["count"]) for match in counted)
        memory = max(memory, *(float(match["bytes"]) for match in MEMORY.finditer(text)))
    return Cost(requests, memory)


def data_volume(name: str, watch: Stopwatch, source: dict[str, Any], mode: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "DataVolume",
        "metadata": {"name": name, "namespace": watch.namespace},
        "spec": {
            "source": source,
            "storage": {
                "volumeMode": mode,
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "128Mi"}},
            },
        },
    }


@asynccontextmanager
async def own_namespace(client: Client, name: str) -> AsyncIterator[str]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        yield name
    finally:
        await client.delete(Ref("v1", "Namespace", name))


async def one_by_one(watch: Stopwatch, title: str, manifests: list[dict[str, Any]]) -> list[Run]:
    runs = []
    for manifest in manifests:
        run = await watch.create(manifest)
        async with asyncio.timeout(TIMEOUT_S):
            await run.done.wait()
        runs.append(run)
        await watch.client.delete(Ref(API_VERSION, "DataVolume", run.name, watch.namespace))
        print(f"  {title}: {run.total_s:.1f} s", file=sys.stderr)
    return runs


async def all_at_once(watch: Stopwatch, manifests: list[dict[str, Any]]) -> tuple[list[Run], float]:
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watch.create(manifest)) for manifest in manifests]
    runs = [task.result() for task in tasks]
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*(run.done.wait() for run in runs))
    return runs, time.monotonic() - started


def table(rows: dict[str, list[Run]]) -> Table:
    shown = Table(title="from apply to Succeeded, in seconds: the median of each stage, the median and slowest of all")
    shown.add_column("DataVolume")
    for column in (*STAGES, "median", "slowest"):
        shown.add_column(column, justify="right")
    for title, runs in rows.items():
        spent = [run.spent() for run in runs]
        stages = [statistics.median(each[stage] for each in spent) for stage in STAGES]
        totals = [run.total_s for run in runs]
        shown.add_row(title, *(f"{seconds:.2f}" for seconds in (*stages, statistics.median(totals), max(totals))))
    return shown


def small_image(kubectl: Kubectl) -> str:
    """An image of 64 MiB with 20 MB of data that does not compress, on the web server inside the cluster; its URL."""
    with tempfile.TemporaryDirectory() as directory:
        raw, image = Path(directory, "small.raw"), Path(directory, "small.qcow2")
        with raw.open("wb") as disk:
            disk.write(random.Random(0).randbytes(20_000_000))
            disk.truncate(64 << 20)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
        return server.start(kubectl).put("bench-small.qcow2", image)


async def measure(options: argparse.Namespace, kubectl: Kubectl, url: str) -> None:
    access = await Access.load(kubectl.kubeconfig)
    async with Client(access) as client, own_namespace(client, f"bench-{os.getpid()}") as namespace:
        watch = Stopwatch(client, namespace)
        watchers = [asyncio.create_task(watch.follow(kind)) for kind in KINDS]
        try:
            await measure_with(watch, kubectl, options, {"http": {"url": url}})
        finally:
            for watcher in watchers:
                watcher.cancel()


async def measure_with(watch: Stopwatch, kubectl: Kubectl, options: argparse.Namespace, http: dict[str, Any]) -> None:
    kinds = {
        "HTTP, filesystem": (http, "Filesystem"),
        "HTTP, block": (http, "Block"),
        "blank, filesystem": ({"blank": {}}, "Filesystem"),
        "blank, block": ({"blank": {}}, "Block"),
    }
    before = cost(kubectl, options.install_namespace)
    rows = {}
    for row, (title, (source, mode)) in enumerate(kinds.items()):
        names = [f"alone-{row}-{number}" for number in range(options.repeat)]
        rows[title] = await one_by_one(watch, title, [data_volume(name, watch, source, mode) for name in names])
    alone = cost(kubectl, options.install_namespace)
    names = [f"crowd-{number}" for number in range(options.crowd)]
    crowd, crowd_s = await all_at_once(watch, [data_volume(name, watch, http, "Filesystem") for name in names])
    after = cost(kubectl, options.install_namespace)
    rows[f"HTTP, filesystem, {options.crowd} at once"] = crowd
    made = options.repeat * len(kinds)
    console = Console(width=150)
    console.print(table(rows))
    console.print(f"{options.crowd} at once: all Succeeded after {crowd_s:.1f} s")
    console.print(
        f"controller's API requests a DataVolume: {(alone.requests - before.requests) / made:.0f} one by one, "
        f"{(after.requests - alone.requests) / options.crowd:.0f} when {options.crowd} come at once"
    )
    console.print(
        f"controller's memory: {before.memory_bytes / MIB:.0f} MiB before, {after.memory_bytes / MIB:.0f} after"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.control", description=__doc__)
    parser.add_argument(
        "--kubeconfig", default=os.environ.get("KUBECONFIG"), help="default: $KUBECONFIG, else devcluster's"
    )
    parser.add_argument(
        "--install-namespace", default=NAMESPACE, help="where the chart is installed (default %(default)s)"
    )
    parser.add_argument(
        "--repeat", type=int, default=10, help="DataVolumes of each kind, one by one (default %(default)s)"
    )
    parser.add_argument("--crowd", type=int, default=30, help="DataVolumes applied at once (default %(default)s)")
    options = parser.parse_args()
    try:
        kubectl = Kubectl(options.kubeconfig or choose.cluster().kubeconfig())
        asyncio.run(measure(options, kubectl, small_image(kubectl)))
    except (ApiError, DevclusterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
