"""The stages of one DataVolume, timed where a user stands: when a watch of the API server shows the change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object
from cdi_operator.flows.seen import controller

STAGES = ("claim bound", "pod scheduled", "container started", "data moved", "volume handed over", "Succeeded")
KINDS = ("DataVolume", "PersistentVolumeClaim", "Pod")
"""What the stages are seen on."""


@dataclass
class Run:
    """When each stage of one DataVolume was first seen, in seconds after its creation was asked for."""

    name: str
    asked_at: float
    seen: dict[str, float] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def reached(self, stage: str) -> None:
        self.seen.setdefault(stage, time.monotonic() - self.asked_at)
        if stage == STAGES[-1]:
            self.done.set()

    @property
    def total_s(self) -> float:
        return self.seen[STAGES[-1]]

    def spent(self) -> dict[str, float]:
        """Seconds in each stage; a stage that was not seen by itself took no time of its own."""
        spent, before = {}, 0.0
        for stage in STAGES:
            at = max(before, self.seen.get(stage, before))
            spent[stage] = at - before
            before = at
        return spent


class Stopwatch:
    """Follows the DataVolumes of one namespace through the watches."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.runs: dict[str, Run] = {}
        self.names_by_claim_uid: dict[str, str] = {}

    async def follow(self, kind: str, also: Callable[[Object], None] = lambda obj: None) -> None:
        """Until cancelled; `also` sees every object of that kind as it comes."""
        version = ""
        while True:
            async for change, obj in self.client.watch(kind, version, namespace=self.namespace):
                version = obj["metadata"]["resourceVersion"]
                if change in ("ADDED", "MODIFIED"):
                    self.look(obj)
                    also(obj)

    def look(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        status = obj.get("status") or {}
        match obj["kind"]:
            case "DataVolume":
                if status.get("phase") == "Succeeded" and name in self.runs:
                    self.runs[name].reached("Succeeded")
            case "PersistentVolumeClaim":
                self.look_at_claim(obj, status)
            case "Pod":
                self.look_at_pod(obj, status)

    def look_at_claim(self, claim: Object, status: dict[str, Any]) -> None:
        meta = claim["metadata"]
        if meta["name"] in self.runs:
            self.names_by_claim_uid[meta["uid"]] = meta["name"]
        run = self.runs.get(meta["name"])
        prime_of = self.runs.get(self.names_by_claim_uid.get((controller(claim) or {}).get("uid", ""), ""))
        if status.get("phase") != "Bound":
            return
        if prime_of:
            self.names_by_claim_uid[meta["uid"]] = prime_of.name
            prime_of.reached("claim bound")
        elif run:
            populated = "dataSourceRef" in claim["spec"]
            run.reached("volume handed over" if populated else "claim bound")

    def look_at_pod(self, pod: Object, status: dict[str, Any]) -> None:
        run = self.runs.get(self.names_by_claim_uid.get((controller(pod) or {}).get("uid", ""), ""))
        if run is None:
            return
        if pod["spec"].get("nodeName"):
            run.reached("pod scheduled")
        states = [container.get("state") or {} for container in status.get("containerStatuses") or ()]
        if any("running" in state or "terminated" in state for state in states):
            run.reached("container started")
        # The pod's own phase follows only when the pod is taken down, and the controller does not wait for that.
        if any(state.get("terminated", {}).get("exitCode") == 0 for state in states):
            run.reached("data moved")

    async def create(self, manifest: dict[str, Any]) -> Run:
        run = Run(manifest["metadata"]["name"], time.monotonic())
        self.runs[run.name] = run
        await self.client.create(manifest)
        return run
