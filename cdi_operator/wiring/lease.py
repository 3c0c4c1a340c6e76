"""Which of the replicas works: the one that holds a Lease.

Not `kubernetes.aio.leaderelection`: it writes local time as UTC, does not give the lease back when it stops (the
others then wait the whole lease long), and lets errors of the network through, which end the election.

The clocks of the replicas are not compared: who does not hold the lease measures, on its own clock, for how long the
record has not changed. Reference: spec 8.2 (name, log text); the times are ours. A replica that dies is replaced after
at most LEASE_S + 2 * POLL_S, one that stops gives the lease back and is replaced within POLL_S.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from cdi_operator.cluster.apply import utc_now
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.flows.actions import Object

log = structlog.get_logger(__name__)

NAME = "cdi-controller-leader-election-helper"
LEASE_S = 12
"""For how long a record that does not change is honoured."""
GIVE_UP_S = 9.0
"""A holder that could not renew for so long stops working: before the others may begin."""
RENEW_S = 2.0
POLL_S = 1.0
REQUEST_S = 3.0


class Lost(Exception):
    """The lease is somebody else's, or could not be renewed in time."""


@dataclass
class Election:
    client: Client
    namespace: str
    identity: str
    clock: Callable[[], float] = time.monotonic
    _record: tuple[str, str] = ("", "")
    """Holder and renew time as last seen."""
    _seen_at_s: float = 0.0
    _lease: dict[str, Any] = field(default_factory=dict)
    """As the API server answered our last write."""
    _held_since_s: float = -math.inf
    """When that write was begun: nobody else counts from an earlier moment."""

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        log.info("attempting to acquire leader lease", lease=f"{self.namespace}/{NAME}", identity=self.identity)
        while True:
            if await self._try_to_take():
                break
            await asyncio.sleep(POLL_S)
        log.info("successfully acquired lease", lease=f"{self.namespace}/{NAME}", identity=self.identity)

    async def keep(self) -> None:
        """Renew for ever. Raises Lost."""
        while True:
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await self._renew()
            except TimeoutError:
                raise Lost(f"could not renew it for {GIVE_UP_S:.0f} s") from None

    def fence(self) -> None:
        """Raises Unreachable when the lease was not renewed in time. `keep` notices that too, but a process that stood
        still (a paused machine, a stopped container) may come to its next write before it comes to `keep`.
        """
        if self.clock() - self._held_since_s > GIVE_UP_S:
            raise Unreachable("the lease was not renewed in time: another replica may work by now")

    async def release(self) -> None:
        """Give it back, so that another replica takes over at once. One that was not renewed in time will soon be free
        by itself, and another's is left alone.
        """
        if self.clock() - self._held_since_s > GIVE_UP_S:
            return
        try:
            while not await self._given_back():
                await self._check_whose_it_is()
            log.info("released lease", lease=f"{self.namespace}/{NAME}")
        except (Lost, ApiError, Unreachable, TimeoutError) as error:
            log.warning("lease not released, the others wait until it expires", error=str(error))

    async def _given_back(self) -> bool:
        """False when the record is not as we left it: a renewal may have been under way when we were told to stop."""
        try:
            await self._write(self._lease, {**self._lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1})
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    async def _try_to_take(self) -> bool:
        try:
            async with asyncio.timeout(REQUEST_S):
                found = await self.client.get("Lease", NAME, self.namespace)
            if found is not None and not self._may_take(found["spec"]):
                return False
            await self._write(found, take(found["spec"] if found else {}, self.identity, utc_now()))
            return True
        except ApiError as error:
            if error.status != 409:
                log.warning("cannot read or write the lease", error=str(error))
        except (Unreachable, TimeoutError) as error:
            log.debug("lease not reachable", error=str(error))
        return False

    def _may_take(self, spec: Object) -> bool:
        record = (spec.get("holderIdentity") or "", spec.get("renewTime") or "")
        if record != self._record:
            self._record, self._seen_at_s = record, self.clock()
        holder, _ = record
        expired = self.clock() - self._seen_at_s > (spec.get("leaseDurationSeconds") or LEASE_S)
        return holder in ("", self.identity) or expired

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._write(self._lease, renew(self._lease["spec"], utc_now()))
                return
            except (ApiError, Unreachable, TimeoutError) as error:
                log.warning("lease not renewed", error=str(error) or "no answer in time")
                if isinstance(error, ApiError) and error.status in (404, 409):
                    await self._check_whose_it_is()

    async def _check_whose_it_is(self) -> None:
        """After a conflict: either somebody has it, or our own write was done although its answer was lost."""
        try:
            async with asyncio.timeout(REQUEST_S):
                found = await self.client.get("Lease", NAME, self.namespace)
        except (ApiError, Unreachable, TimeoutError):
            return
        holder = found["spec"].get("holderIdentity") if found else None
        if found is None or holder != self.identity:
            raise Lost(f"it is held by {holder or 'nobody'}")
        self._lease = dict(found)

    async def _write(self, lease: Object | None, spec: Object) -> None:
        meta = lease["metadata"] if lease else {"name": NAME, "namespace": self.namespace}
        wanted = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        begun_s = self.clock()
        async with asyncio.timeout(REQUEST_S):
            written = await (self.client.replace(wanted) if lease else self.client.create(wanted))
        self._lease = dict(written)
        self._held_since_s = begun_s if spec["holderIdentity"] else -math.inf


def take(spec: Object, identity: str, now: datetime) -> dict[str, Any]:
    """The record of a new holder."""
    transitions = spec.get("leaseTransitions") or 0
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": LEASE_S,
        "acquireTime": micro_time(now),
        "renewTime": micro_time(now),
        "leaseTransitions": transitions + (spec.get("holderIdentity") != identity if spec else 0),
    }


def renew(spec: Object, now: datetime) -> dict[str, Any]:
    return {**spec, "renewTime": micro_time(now)}


def micro_time(now: datetime) -> str:
    """MicroTime of the Kubernetes API: RFC 3339 with six digits of the second, UTC."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
