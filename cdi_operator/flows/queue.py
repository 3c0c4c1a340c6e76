"""Whose turn it is to transfer: only so many at a time, in the cluster and on each node, in a fair order.

A claim whose turn it is not yet notes its place in the queue on itself; that note is the queue. So it outlives us, and
a claim that cannot start (no volume yet, a quota) is not in it and holds nobody up. Fair: the next place goes to the
namespace with the fewest transfers, of several the one whose last began the longest ago, and there to the oldest claim.

A place is taken by a worker that moves data or is about to. Not by one that has ended (it may be retained), that has
failed and waits to be tried again, that its kubelet cannot start, or that no node will have: it may stay so for ever,
and would then stop everybody. But a namespace that has as many workers without a node as there are places waits for
them: that the cluster is full is no reason to make more pods. The later stages of a warm import do not wait: a machine
may be down until the last one is done.

A place that becomes free wakes only those whose turn it is; the others count their place anew now and then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object
from cdi_operator.flows.seen import Claim, Key, Worker, controller, worker
from cdi_operator.flows.sources import wants_import
from cdi_operator.flows.transfer import Transfer, read
from cdi_operator.flows.view import View

CLUSTER, NODE = 64, 16
"""Limits where nobody says otherwise: more than a small cluster ever needs, and less than hurts a large one."""
STUCK_AFTER = timedelta(minutes=2)
"""A worker that has not started by then is not about to: a volume or a secret is missing. It starts in a second."""
SOONEST_S, LATEST_S = 10.0, 600.0
"""How often a place in the queue is counted anew: those who are next the soonest."""
JUST_NOW = "~"
"""After every time."""
PREPARED = ("", "ContainerCreating", "PodInitializing")
"""Reasons why a container waits that are no trouble."""


@dataclass(frozen=True)
class Limits:
    """Transfers at a time; 0: any number."""

    cluster: int = CLUSTER
    node: int = NODE


@dataclass(frozen=True)
class Ticket:
    """A claim that waits."""

    namespace: str
    name: str
    since: str
    """When the claim was made."""
    called: str
    """As its user knows it: of a hidden claim, the name of its target."""
    node: str
    """Where its worker will have to run, where that is known."""

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def age(self) -> tuple[str, str, str, str]:
        """The oldest first; of the same second, by name."""
        return self.since, self.namespace, self.called, self.name


@dataclass(frozen=True)
class Traffic:
    """What goes on in the cluster, as far as it decides about turns. Objects are read only when they are needed."""

    limits: Limits
    pods: tuple[Object, ...] = ()
    """Workers that may take a place: see `takes_a_place`."""
    making: tuple[Object, ...] = ()
    """Pods that were asked for a moment ago."""
    claims: tuple[Object, ...] = ()
    """Those that wait."""


def limits(annotations: Mapping[str, str]) -> Limits:
    """What the annotations of CDIConfig say; what is no number there is as if it were not there."""

    def number(name: str, otherwise: int) -> int:
        text = annotations.get(name, "")
        return int(text) if text.isdecimal() and text.isascii() else otherwise

    return Limits(number(names.MAX_TRANSFERS, CLUSTER), number(names.MAX_TRANSFERS_PER_NODE, NODE))


def traffic(view: View) -> Traffic:
    config = view.get("CDIConfig", "config") or {"metadata": {}}
    return Traffic(
        limits(config["metadata"].get("annotations") or {}),
        tuple(view.by("Pod", "worker", "alive")),
        tuple(pod for pod in view.underway("Pod") if is_import(pod)),
        tuple(view.by("PersistentVolumeClaim", "transfer", "queued")),
    )


def next_keys(view: View) -> tuple[Key, ...]:
    """The claims whose turn it is."""
    if not view.by("PersistentVolumeClaim", "transfer", "queued"):
        return ()
    now = traffic(view)
    places = Places(now, None)
    return tuple(ticket.key for ticket in places.admitted(line(now, places))) if places.free else ()


def is_import(pod: Object) -> bool:
    return (pod["metadata"].get("labels") or {}).get(names.COMPONENT) == names.COMPONENT_IMPORTER


def is_alive(pod: Object) -> bool:
    """An importer that has not ended: what is filed for `traffic`."""
    return is_import(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def is_queued(claim: Object) -> bool:
    """What is filed for `traffic`: claims whose importer takes its turn, or leaves the queue, when it is called.

    The target of a hidden claim shows the same note, and anybody can write one on a claim of their own: one that is
    never worked on would keep its place for ever, and hold up everybody behind it.
    """
    meta = claim["metadata"]
    annotations = meta.get("annotations") or {}
    if "deletionTimestamp" in meta or not wants_import(annotations, claim["spec"]):
        return False
    return read(annotations.get(names.TRANSFER)).queue_position > 0


def takes_a_place(worker: Worker, now: datetime | None) -> bool:
    """`now`: None to trust that what has not started yet will."""
    if worker.running:
        return True
    if worker.exit_code is not None or not worker.schedulable or worker.waiting_reason not in PREPARED:
        return False
    return now is None or now - worker.created_at < STUCK_AFTER


class Places:
    """How many are left, and who has the others."""

    def __init__(self, traffic: Traffic, now: datetime | None) -> None:
        workers = [(pod, found) for pod in traffic.pods if (found := worker(pod)) is not None]
        taken = [(pod, found.node) for pod, found in workers if takes_a_place(found, now)]
        known = {pod["metadata"]["name"] for pod in traffic.pods}
        taken += [
            (pod, pod["spec"].get("nodeName", "")) for pod in traffic.making if pod["metadata"]["name"] not in known
        ]
        self.limits = traffic.limits
        self.by_namespace = Counter(pod["metadata"]["namespace"] for pod, _ in taken)
        self.last_begun: dict[str, str] = {}
        for pod, _ in taken:
            meta = pod["metadata"]
            begun = meta.get("creationTimestamp", JUST_NOW)
            self.last_begun[meta["namespace"]] = max(begun, self.last_begun.get(meta["namespace"], ""))
        self.by_node = Counter(node for _, node in taken if node)
        self.without_node = Counter(found.ref.namespace for _, found in workers if not found.schedulable)
        self.free = max(0, traffic.limits.cluster - len(taken)) if traffic.limits.cluster else len(traffic.claims) + 1

    def full(self, node: str) -> bool:
        return bool(node and self.limits.node) and self.by_node[node] >= self.limits.node

    def stuck(self, namespace: str) -> bool:
        """So many of its workers wait for a node that one more would only wait, too."""
        return bool(self.limits.cluster) and self.without_node[namespace] >= self.limits.cluster

    def admitted(self, line: list[Ticket]) -> Iterator[Ticket]:
        """Who may start, in their order. Ends the use of these places."""
        for ticket in line:
            if not self.free:
                return
            if self.stuck(ticket.namespace) or self.full(ticket.node):
                continue
            self.free -= 1
            self.by_node[ticket.node] += 1
            yield ticket


def line(traffic: Traffic, places: Places, also: Ticket | None = None) -> list[Ticket]:
    """Everybody who waits, and one more, in the order of their turns."""
    at_work = {(controller(pod) or {}).get("uid") for pod in (*traffic.pods, *traffic.making)}
    tickets = {_ticket(claim) for claim in traffic.claims if claim["metadata"]["uid"] not in at_work}
    oldest_first = sorted(tickets | ({also} if also else set()), key=lambda each: each.age)
    before: Counter[str] = Counter(places.by_namespace)
    ranked = []
    for ticket in oldest_first:
        ranked.append((before[ticket.namespace], places.last_begun.get(ticket.namespace, ""), ticket.age, ticket))
        before[ticket.namespace] += 1
    return [ticket for *_, ticket in sorted(ranked, key=lambda row: row[:3])]


def is_turn(traffic: Traffic, claim: Claim, now: datetime) -> bool:
    """Whether the claim's transfer may begin. Cheap while no place is free, however many wait."""
    me, places = _ticket_of(claim), Places(traffic, now)
    if not places.free or places.full(me.node) or places.stuck(me.namespace):
        return False
    return not traffic.claims or me in places.admitted(line(traffic, places, me))


@dataclass(frozen=True)
class Standing:
    """Where a claim stands in the queue."""

    before: int
    """How many are in front."""
    text: str


def standing(traffic: Traffic, claim: Claim, now: datetime) -> Standing:
    me, places = _ticket_of(claim), Places(traffic, now)
    before = line(traffic, places, me).index(me)
    if places.full(me.node):
        awaited = f"one of {traffic.limits.node} transfers on node {me.node} to end"
    elif places.stuck(me.namespace):
        awaited = f"a node for one of {places.without_node[me.namespace]} workers of this namespace"
    else:
        awaited = f"one of {traffic.limits.cluster} transfers to end"
    return Standing(before, f"waiting for {awaited}, {before} before it")


def has_place(traffic: Traffic, claim: Claim, now: datetime) -> bool:
    """Whether there is one for it, whoever else waits."""
    places = Places(traffic, now)
    return places.free > 0 and not places.full(_ticket_of(claim).node)


def is_later_stage(claim: Claim) -> bool:
    return bool(claim.annotations.get(names.CHECKPOINT_PREVIOUS))


def patience_s(before: int) -> float:
    """For how long a place in the queue is true enough."""
    return min(max(SOONEST_S, 2.0 * before), LATEST_S)


def queued(before: Transfer, at: Standing, as_of: str) -> Transfer:
    """As it is noted on the claim. An error of an earlier attempt stays in view."""
    return Transfer(
        stage="queued",
        format=before.format,
        source_bytes=before.source_bytes,
        total_bytes=before.total_bytes,
        written_bytes=before.written_bytes,
        virtual_size_bytes=before.virtual_size_bytes,
        message=before.message if before.error else at.text,
        hint=before.hint,
        error=before.error,
        queue_position=at.before + 1,
        as_of=as_of,
    )


def _ticket(claim: Object) -> Ticket:
    meta = claim["metadata"]
    node = (meta.get("annotations") or {}).get(names.SELECTED_NODE, "")
    called = _called(meta["name"], controller(claim))
    return Ticket(meta["namespace"], meta["name"], meta.get("creationTimestamp", ""), called, node)


def _ticket_of(claim: Claim) -> Ticket:
    node = claim.annotations.get(names.SELECTED_NODE, "")
    called = _called(claim.name, next((each for each in claim.owners if each.get("controller")), None))
    return Ticket(claim.ref.namespace, claim.name, claim.created_at, called, node)


def _called(name: str, owner: Object | None) -> str:
    return str(owner["name"]) if owner is not None and owner["kind"] == "PersistentVolumeClaim" else name
