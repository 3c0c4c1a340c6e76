"""Our controller in a cluster that lives: the flows on the real cache, applier and triggers, over a `World`.

Nothing moves by itself, and no time passes. Our controller and the cluster's own (`controllers`) list what they could
do next, and whoever plays picks one move after the other, in any order: so watches lag, keys wait, the binder is slow,
and the controller dies between two writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from cdi_operator.cluster.apply import AT_ONCE_S, Applier
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.errors import ApiError, Stale, Unreachable
from cdi_operator.cluster.informer import FOLLOWED, Selection
from cdi_operator.flows import datavolume, importer, populate
from cdi_operator.flows.actions import Emit, Object, Ref
from cdi_operator.flows.seen import timestamp
from cdi_operator.flows.transfer import Reading
from cdi_operator.wiring.triggers import TRIGGERS, woken_by
from tests.unit.flows.given import NS, SETTINGS
from tests.unit.world import World

FLOWS: dict[str, Any] = {"datavolume": datavolume, "importer": importer, "populate": populate}
IN_USE = "kubernetes.io/pvc-protection"
GRACE = "grace-period"
"""Stands for the time that a deleted pod takes to end: a kubelet takes it away."""
ADMISSION = {"PersistentVolumeClaim": [IN_USE], "Pod": [GRACE]}
Move = Callable[[], object]
Moves = Iterator[tuple[str, Move]]


class Died(Exception):
    """The controller was killed in the middle of a plan."""


class ApiServer:
    """The requests of `cdi_operator.cluster.client`, answered by a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests = 0
        self._fault: tuple[Exception, bool] | None = None

    def disturb(self, error: Exception, carried_out: bool) -> None:
        """The next request fails, whether or not it is carried out all the same."""
        self._fault = error, carried_out

    def leave_in_peace(self) -> None:
        self._fault = None

    async def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        return self.world.get(kind, name, namespace)

    async def list(
        self, kind: str, *, namespace: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """Of the pods those that are not over, whatever `fields` says: nobody asks for others."""
        over = ("Succeeded", "Failed")
        listed = [each for each in self.world.all(kind) if each["metadata"].get("namespace", "") == namespace]
        yield [each for each in listed if (each.get("status") or {}).get("phase") not in over], ""

    async def create(self, obj: Object) -> Object:
        return self._answer(lambda: self._create(obj))

    async def patch(self, ref: Ref, changes: Any, *, subresource: str = "") -> Object:
        return self._answer(lambda: self._patch(ref, changes))

    async def delete(self, ref: Ref) -> Object:
        return self._answer(lambda: self._delete(ref))

    def _answer(self, request: Callable[[], Object]) -> Object:
        self.requests += 1
        if self._fault is None:
            return request()
        (error, carried_out), self._fault = self._fault, None
        if carried_out:
            request()
        raise error

    def _create(self, obj: Object) -> Object:
        kind, meta = obj["kind"], obj["metadata"]
        if refusal := self.world.refusals.get((kind, NS, meta["name"])):
            raise ApiError(403, "Forbidden", refusal.message)
        if self.world.get(kind, meta["name"], NS):
            raise ApiError(409, "AlreadyExists", f"{meta['name']} already exists")
        return self.world.add({**obj, "metadata": {**meta, "finalizers": ADMISSION.get(kind, [])}})

    def _patch(self, ref: Ref, changes: Any) -> Object:
        meant = self._meant(ref)
        version = changes.get("metadata", {}).get("resourceVersion")
        if version and version != meant["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        return self.world.edit(ref.kind, ref.name, changes, ref.namespace)

    def _delete(self, ref: Ref) -> Object:
        self._meant(ref)
        self.world.delete(ref.kind, ref.name, ref.namespace)
        return self.world.get(ref.kind, ref.name, ref.namespace) or {"kind": "Status"}

    def _meant(self, ref: Ref) -> Object:
        found = self.world.get(ref.kind, ref.name, ref.namespace)
        if found is None:
            raise ApiError(404, "NotFound", f"{ref.name} not found")
        if ref.uid not in ("", found["metadata"]["uid"]):
            raise ApiError(409, "Conflict", "uid mismatch")
        return found


class Events:
    """The recorder: repetitions are counted on the first event."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._posted: dict[Emit, str] = {}

    def emit(self, event: Emit) -> None:
        now = {"lastTimestamp": timestamp(self._world.now)}
        if event in self._posted:
            self._world.edit("Event", self._posted[event], now, NS)
            return
        self._posted[event] = f"{event.ref.name}.{len(self._posted):04}"
        about = {"kind": event.ref.kind, "uid": event.ref.uid, "namespace": NS, "name": event.ref.name}
        said = {"type": event.type, "reason": event.reason, "message": event.message}
        meta = {"name": self._posted[event], "namespace": NS}
        self._world.add({"kind": "Event", "metadata": meta, "involvedObject": about, **said, **now})


class Controller:
    """One process of ours, from its start to its death."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.world = server.world
        self.start()

    def start(self) -> None:
        self.cache = Cache()
        self.applier = Applier(self.server, self.cache, Events(self.world), lambda: self.world.now)  # type: ignore[arg-type]
        self.queue: dict[tuple[str, Any], None] = {}
        self.timers: dict[tuple[str, Any], None] = {}
        self.told: dict[str, list[tuple[Object, bool]]] = {}
        """Changes that the watches have yet to tell, by kind."""
        self.heard = len(self.world.changes)
        self.cache.subscribe(self._wake)
        for obj in (obj for kind in TRIGGERS for obj in self.world.all(kind)):
            if _followed(obj):
                self.cache.put(obj)

    def moves(self) -> Moves:
        self._hear()
        for kind in self.told:
            yield f"watch {kind}", partial(self._tell, kind)
        for pod in self.cache.all("Pod"):
            at_work = pod.get("status", {}).get("phase") == "Running"
            if at_work and self.cache.progress(pod["metadata"]["uid"]) is None:
                yield "hear of progress", partial(self.cache.measured, pod, Reading(45.0))
        for flow, key in self.queue:
            yield f"look {flow} {key[1]}", partial(self.look, flow, key)

    def timers_are_due(self) -> None:
        self.queue.update(self.timers)
        self.timers.clear()

    def _hear(self) -> None:
        for obj, is_there in self.world.changes[self.heard :]:
            if _followed(obj):
                self.told.setdefault(obj["kind"], []).append((obj, is_there))
        self.heard = len(self.world.changes)

    def _tell(self, kind: str) -> None:
        obj, is_there = self.told[kind].pop(0)
        if not self.told[kind]:
            del self.told[kind]
        (self.cache.put if is_there else self.cache.forget)(obj)

    def _wake(self, obj: Object) -> None:
        self.queue.update(dict.fromkeys(woken for woken in woken_by(obj, self.cache) if woken[0] in FLOWS))

    def look(self, flow: str, key: Any) -> None:
        del self.queue[flow, key]
        try:
            state = FLOWS[flow].observe(self.cache, key)
            plan = FLOWS[flow].plan(state, SETTINGS, self.world.now) if state is not None else ()
            again_s = run(self.applier.carry_out(plan))
        except Died:
            self.start()
        except (Stale, ApiError, Unreachable):
            self.timers[flow, key] = None
        else:
            if again_s is not None:
                (self.queue if again_s == AT_ONCE_S else self.timers)[flow, key] = None


def _followed(obj: Object) -> bool:
    about = obj.get("involvedObject", {}).get("kind", "PersistentVolumeClaim")
    return FOLLOWED.get(obj["kind"], Selection(obj["kind"])).covers(obj) and about == "PersistentVolumeClaim"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """To its end, without an event loop: our API server never lets anybody wait."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something that is not simulated")
