"""One DataVolume from apply to Succeeded, as it happens: what the API server shows, and what the worker tells.

The stages are those of `demo.stopwatch`, the figures at the end those of the status. In between, bytes and speed come
from the worker's own metrics, through the API server: this import is over before the status has been written often.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object
from demo.stopwatch import KINDS, STAGES, Run, Stopwatch
from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl

DOING = (
    "making and binding the volume",
    "finding a node for the worker",
    "starting the worker",
    "moving the data",
    "handing the volume over",
    "done",
)
"""What leads to each of STAGES."""
ASK_WORKER_EVERY_S = 0.25
TIMEOUT_S = 900.0
METRIC = re.compile(r"^(?P<name>\w+)(?:\{[^}]*\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass
class Import:
    """What is known of it so far."""

    run: Run
    phase: str = ""
    percent: float = 0.0
    trouble: str = ""
    """Why it does not go on, in the words of its condition Failing; empty while it does."""
    worker: Mapping[str, float] = field(default_factory=dict)
    """The worker's metrics by name, as last told."""
    transfer: Mapping[str, Any] = field(default_factory=dict)
    """status.transfer, as last written."""

    @property
    def doing(self) -> str:
        """What goes on now: the first stage that has not been reached."""
        reached = max((STAGES.index(stage) for stage in self.run.seen), default=-1)
        return DOING[min(reached + 1, len(DOING) - 1)]


async def follow(kubectl: Kubectl, name: str, manifest: Path, shown: Callable[[Import], None]) -> Import:
    """Apply the manifest of DataVolume `name`, then show every change until it is Succeeded.

    Raises DevclusterError when that takes longer than TIMEOUT_S, with the reason that the DataVolume gives.
    """
    state = Import(Run(name, time.monotonic()))
    pods: set[str] = set()

    def look(obj: Object) -> None:
        meta = obj["metadata"]
        if obj["kind"] == "DataVolume" and meta["name"] == name:
            _look_at_volume(state, obj.get("status") or {})
        if obj["kind"] == "Pod" and meta.get("labels", {}).get(names.COMPONENT) == names.COMPONENT_IMPORTER:
            pods.add(meta["name"])
        shown(state)

    async with Client(await Access.load(kubectl.kubeconfig)) as client:
        watch = Stopwatch(client, kubectl.namespace)
        watch.runs[name] = state.run
        tasks = [asyncio.create_task(watch.follow(kind, look)) for kind in KINDS]
        tasks.append(asyncio.create_task(_ask_worker(kubectl, state, pods, shown)))
        try:
            state.run.asked_at = time.monotonic()
            await asyncio.to_thread(kubectl, "apply", "--filename", manifest)
            done = asyncio.create_task(state.run.done.wait())
            await asyncio.wait([done, *tasks], timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                done.cancel()
                for broken in (task for task in tasks if task.done()):
                    broken.result()
                raise DevclusterError(
                    f"{name} is not done after {TIMEOUT_S:.0f} s: phase {state.phase}. {state.trouble}"
                )
        finally:
            for task in tasks:
                task.cancel()
    return state


def _look_at_volume(state: Import, status: Mapping[str, Any]) -> None:
    state.phase = status.get("phase", "")
    state.transfer = status.get("transfer", {})
    with contextlib.suppress(ValueError):
        state.percent = float(status.get("progress", "").rstrip("%"))
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    state.trouble = conditions.get("Failing", {}).get("message", "")


async def _ask_worker(kubectl: Kubectl, state: Import, pods: set[str], shown: Callable[[Import], None]) -> None:
    while True:
        await asyncio.sleep(ASK_WORKER_EVERY_S)
        for pod in tuple(pods):
            path = f"/api/v1/namespaces/{kubectl.namespace}/pods/https:{pod}:8443/proxy/metrics"
            try:
                text = await asyncio.to_thread(kubectl, "get", "--raw", path)
            except DevclusterError:
                continue  # it has not begun to answer, or has ended: the watches tell
            state.worker = {found["name"]: float(found["value"]) for found in METRIC.finditer(text)}
            shown(state)
