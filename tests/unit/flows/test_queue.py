"""Whose turn it is: how many at a time, in which order, and who does not count."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdi_operator.api import annotations as names
from cdi_operator.flows.queue import (
    CLUSTER,
    NODE,
    Limits,
    Places,
    Standing,
    Traffic,
    is_alive,
    is_queued,
    is_turn,
    limits,
    line,
    next_keys,
    patience_s,
    standing,
)
from cdi_operator.flows.seen import claim
from cdi_operator.flows.transfer import Transfer
from tests.unit.flows.given import (
    UNSCHEDULABLE,
    config,
    ended,
    having,
    noted,
    obj,
    owned_by,
    running,
    terminated,
    waiting,
)
from tests.unit.world import NOW, World

QUEUED = Transfer("queued", queue_position=1).text()
AN_HOUR_AGO, NOW_TEXT = "2025-06-01T11:00:00Z", "2025-06-01T12:00:00Z"


def waits(name, namespace="a", since=AN_HOUR_AGO, node=""):
    notes = {names.TRANSFER: QUEUED, names.SOURCE: "http", **({names.SELECTED_NODE: node} if node else {})}
    made = obj("PersistentVolumeClaim", name, f"uid-{namespace}-{name}", namespace, spec={})
    return noted(having(made, metadata={"creationTimestamp": since}), notes)


def works(name, namespace="a", container=None, phase="Running", node="n1", **rest):
    labels = {names.APP: names.APP_NAME, names.COMPONENT: names.COMPONENT_IMPORTER}
    spec = {"containers": [{"image": "importer:1"}], **({"nodeName": node} if node else {})}
    status = {"phase": phase, "containerStatuses": [running() if container is None else container]}
    made = obj("Pod", f"importer-{name}", f"uid-pod-{namespace}-{name}", namespace, spec=spec, status=status)
    made = having(made, metadata={"labels": labels, "creationTimestamp": NOW_TEXT}, **rest)
    return owned_by(made, "PersistentVolumeClaim", name, f"uid-{namespace}-{name}")


def seen(cluster, *objects, node=0):
    pods = tuple(each for each in objects if each["kind"] == "Pod" and is_alive(each))
    claims = tuple(each for each in objects if each["kind"] == "PersistentVolumeClaim" and is_queued(each))
    return Traffic(Limits(cluster, node), pods, (), claims)


def order(traffic):
    return [f"{ticket.namespace}/{ticket.name}" for ticket in line(traffic, Places(traffic, NOW))]


def may_start(traffic):
    places = Places(traffic, NOW)
    return [f"{ticket.namespace}/{ticket.name}" for ticket in places.admitted(line(traffic, places))]


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({}, Limits(CLUSTER, NODE)),
        ({names.MAX_TRANSFERS: "3"}, Limits(3, NODE)),
        ({names.MAX_TRANSFERS: "0", names.MAX_TRANSFERS_PER_NODE: "2"}, Limits(0, 2)),
        ({names.MAX_TRANSFERS: "-1", names.MAX_TRANSFERS_PER_NODE: "many"}, Limits(CLUSTER, NODE)),
        ({names.MAX_TRANSFERS: "²"}, Limits(CLUSTER, NODE)),
    ],
)
def test_limits(annotations, wanted):
    assert limits(annotations) == wanted


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        # the oldest first, and by name where they are of the same second
        ([waits("y", since=NOW_TEXT), waits("x", since=NOW_TEXT), waits("z")], ["a/z", "a/x", "a/y"]),
        # one namespace after the other
        ([waits("1"), waits("2"), waits("3"), waits("1", "b"), waits("2", "b")], ["a/1", "b/1", "a/2", "b/2", "a/3"]),
        ([waits("1"), waits("2"), waits("1", "b", NOW_TEXT)], ["a/1", "b/1", "a/2"]),
        # who has transfers running waits longer
        ([works("0"), works("1"), waits("2"), waits("3"), waits("1", "b", NOW_TEXT)], ["b/1", "a/2", "a/3"]),
        # of those with as many, whose last began the longest ago
        (
            [
                having(works("0"), metadata={"creationTimestamp": AN_HOUR_AGO}),
                works("0", "b"),
                waits("1", since=NOW_TEXT),
                waits("1", "b"),
            ],
            ["a/1", "b/1"],
        ),
        # one whose worker is there already does not wait any more
        ([works("1"), waits("1"), waits("2")], ["a/2"]),
    ],
)
def test_order(objects, wanted):
    assert order(seen(3, *objects)) == wanted


CRASHED = waiting("CrashLoopBackOff", "", 2, ended(1, "no"))
MADE = works("1", phase="Pending", container={}, node="")


@pytest.mark.parametrize(
    ("worker", "takes_a_place"),
    [
        (works("1"), True),
        (MADE, True),
        (works("1", phase="Pending", container=waiting("ContainerCreating")), True),
        # ended, failed until it is tried again, and what cannot start
        (works("1", phase="Succeeded", container=terminated()), False),
        (works("1", phase="Failed"), False),
        (works("1", container=terminated(1, "no")), False),
        (works("1", container=CRASHED), False),
        (works("1", container=terminated()), False),
        (works("1", phase="Pending", container=waiting("ImagePullBackOff")), False),
        (works("1", phase="Pending", container=waiting("CreateContainerConfigError")), False),
        (having(MADE, status=UNSCHEDULABLE), False),
        (having(MADE, metadata={"creationTimestamp": "2025-06-01T11:58:01Z"}), True),
        (having(MADE, metadata={"creationTimestamp": "2025-06-01T11:58:00Z"}), False),
        # other workers than importers
        (having(works("1"), metadata={"labels": {names.COMPONENT: names.COMPONENT_UPLOAD_SERVER}}), False),
    ],
)
def test_who_takes_a_place(worker, takes_a_place):
    assert Places(seen(1, worker), NOW).free == (0 if takes_a_place else 1)


def test_a_pod_that_is_being_made_takes_a_place():
    """Two claims are looked at together: the second must not see the place that the first has just taken."""
    made = Traffic(Limits(1, 0), making=(MADE,))
    assert Places(made, NOW).free == 0
    assert Places(Traffic(Limits(2, 0), pods=(MADE,), making=(MADE,)), NOW).free == 1, "it is counted once"


UNPLACED = [having(works(f"{n}", phase="Pending", container={}, node=""), status=UNSCHEDULABLE) for n in range(2)]


@pytest.mark.parametrize(
    ("traffic", "wanted"),
    [
        (seen(2, waits("1"), waits("2"), waits("3")), ["a/1", "a/2"]),
        (seen(2, works("0"), waits("1"), waits("2")), ["a/1"]),
        (seen(2, works("0"), works("1"), waits("2")), []),
        (seen(1, works("0"), works("1"), waits("2")), []),
        (seen(0, works("0"), works("1"), waits("2"), waits("3")), ["a/2", "a/3"]),
        # a full node holds up only those who have to go there
        (seen(9, works("0"), waits("1", node="n1"), waits("2", node="n2"), waits("3"), node=1), ["a/2", "a/3"]),
        (seen(9, waits("1", node="n1"), waits("2", node="n1"), waits("3", node="n1"), node=2), ["a/1", "a/2"]),
        # a namespace with as many workers without a node as there are places holds up only itself
        (seen(2, *UNPLACED, waits("2"), waits("1", "b")), ["b/1"]),
        (seen(3, *UNPLACED, waits("2"), waits("1", "b")), ["a/2", "b/1"]),
    ],
)
def test_who_may_start(traffic, wanted):
    assert may_start(traffic) == wanted


@pytest.mark.parametrize(
    ("traffic", "me", "wanted"),
    [
        (seen(2, works("0")), waits("1"), True),
        (seen(2, works("0"), works("1")), waits("2"), False),
        (seen(2, works("0"), waits("1")), waits("2"), False),
        (seen(2, works("0"), waits("1")), waits("1", "b", NOW_TEXT), True),
        (seen(2, works("0"), waits("1")), waits("1"), True),
        (seen(9, works("0"), node=1), waits("1", node="n1"), False),
        (seen(9, works("0"), node=1), waits("1", node="n2"), True),
        (seen(2, *UNPLACED), waits("2"), False),
    ],
)
def test_is_turn(traffic, me, wanted):
    assert is_turn(traffic, claim(me), NOW) == wanted


@pytest.mark.parametrize(
    ("traffic", "me", "wanted"),
    [
        (seen(1, works("0")), waits("1"), Standing(0, "waiting for one of 1 transfers to end, 0 before it")),
        (
            seen(2, works("0"), works("1"), waits("2"), waits("3")),
            waits("4"),
            Standing(2, "waiting for one of 2 transfers to end, 2 before it"),
        ),
        (
            seen(9, works("0"), node=1),
            waits("1", node="n1"),
            Standing(0, "waiting for one of 1 transfers on node n1 to end, 0 before it"),
        ),
        (
            seen(2, *UNPLACED),
            waits("2"),
            Standing(0, "waiting for a node for one of 2 workers of this namespace, 0 before it"),
        ),
    ],
)
def test_standing(traffic, me, wanted):
    assert standing(traffic, claim(me), NOW) == wanted


@pytest.mark.parametrize(("before", "seconds"), [(0, 10), (5, 10), (100, 200), (1000, 600)])
def test_those_who_are_next_count_their_place_the_soonest(before, seconds):
    assert patience_s(before) == seconds


@pytest.mark.parametrize(
    ("claim", "waits_itself"),
    [
        (waits("1"), True),
        (noted(waits("1"), {names.TRANSFER: None}), False),
        (noted(waits("1"), {names.TRANSFER: Transfer("transfer").text()}), False),
        (having(waits("1"), metadata={"deletionTimestamp": NOW_TEXT}), False),
        # the target of a hidden claim shows what that one says
        (having(waits("1"), spec={"dataSourceRef": {"kind": "VolumeImportSource", "name": "x"}}), False),
        # what somebody has written on a claim that nobody works on, or so that nobody can take it away
        (noted(waits("1"), {names.SOURCE: None}), False),
        (noted(waits("1"), {names.EXTERNAL_POPULATION: "true"}), False),
        (noted(waits("1"), {names.TRANSFER: '{"queuePosition":"first"}'}), False),
        (noted(waits("1"), {names.TRANSFER: '{"queuePosition":-1}'}), False),
        (noted(waits("1"), {names.TRANSFER: '"queuePosition"'}), False),
    ],
)
def test_who_stands_in_the_queue(claim, waits_itself):
    assert is_queued(claim) == waits_itself


LIMIT_OF_TWO = noted(config(), {names.MAX_TRANSFERS: "2"})


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([], ()),
        ([works("0")], ()),
        ([works("0"), waits("1"), waits("2")], (("a", "1"),)),
        ([works("0"), works("1"), waits("2")], ()),
        ([waits("1"), waits("2"), waits("1", "b")], (("a", "1"), ("b", "1"))),
    ],
)
def test_a_free_place_wakes_only_those_whose_turn_it_is(objects, wanted):
    assert next_keys(World(LIMIT_OF_TWO, *objects)) == wanted


NAMESPACES = st.sampled_from("abc")
CROWD = st.lists(st.tuples(NAMESPACES, st.booleans()), max_size=30)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(crowd=CROWD, limit=st.integers(1, 6))
def test_everybody_gets_his_turn_and_nobody_more_than_his_share(crowd, limit):
    """Whoever runs ends some time, the oldest first. Until all are done: never too many, and never two more of one
    namespace than of another that waits.
    """
    working = [(namespace, f"{n}") for n, (namespace, at_work) in enumerate(crowd) if at_work][:limit]
    waiting_now = [(namespace, f"{n}") for n, (namespace, at_work) in enumerate(crowd) if not at_work]
    while waiting_now:
        pods = [works(name, namespace) for namespace, name in working]
        traffic = seen(limit, *pods, *(waits(name, namespace) for namespace, name in waiting_now))
        places = Places(traffic, NOW)
        admitted = [ticket.key for ticket in places.admitted(line(traffic, places))]
        for key in admitted:
            at_work = {namespace: sum(1 for each, _ in working if each == namespace) for namespace in "abc"}
            others = {namespace for namespace, _ in waiting_now}
            assert at_work[key[0]] == min(at_work[each] for each in others)
            working.append(key)
            waiting_now.remove(key)
        assert len(working) <= limit
        assert working, "somebody is at work as long as somebody waits"
        working.pop(0)
