"""Twelve imports, four at a time: nobody overtakes, nobody is forgotten, and everybody knows where he stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import manifests, namespaces, webserver
from tests.e2e.installation import Installation
from tests.e2e.namespaces import tells
from tests.e2e.watch import Watch, phase

pytestmark = pytest.mark.alone

LIMIT = 4
SETTING = "cdi.kubevirt.io/maxConcurrentTransfers"
MANY = [f"many-{n}" for n in range(8)]
FEW = [f"few-{n}" for n in range(4)]


@pytest.fixture
def limited(installation: Installation) -> Iterator[None]:
    installation.kubectl("annotate", "--overwrite", "cdiconfig/config", f"{SETTING}={LIMIT}")
    yield
    installation.kubectl("annotate", "cdiconfig/config", f"{SETTING}-")


def volume(name: str, server: WebServer) -> Object:
    """One that takes some seconds, so that the few are there while most of the many still wait."""
    asked = manifests.claim_spec("80Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    source = manifests.http(server.url("medium.qcow2", webserver.CRAWLING))
    return manifests.data_volume(name, source=source, storage=asked)


def at_work(pod: Object) -> bool:
    states = [each["state"] for each in (pod.get("status") or {}).get("containerStatuses") or ()]
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not any("terminated" in state for state in states)


def most_at_once(history: list[Object]) -> int:
    """How many pods were at work at the same time, at most."""
    now, most = set[str](), 0
    for pod in history:
        (now.add if at_work(pod) else now.discard)(pod["metadata"]["uid"])
        most = max(most, len(now))
    return most


def begun(history: list[Object]) -> list[str]:
    """Namespaces of the pods in the order in which they were made."""
    order: dict[str, str] = {}
    for pod in history:
        order.setdefault(pod["metadata"]["uid"], pod["metadata"]["namespace"])
    return list(order.values())


def test_a_fair_queue(limited: None, namespace: Kubectl, installation: Installation, server: WebServer) -> None:
    selector = ("--all-namespaces", "--selector=cdi.kubevirt.io/worker=import")
    with (
        namespaces.namespace(installation.kubectl, "fair-queue-few") as other,
        Watch(installation.kubectl, "pods", *selector) as pods,
        Watch(namespace, "datavolumes") as many,
        Watch(other, "datavolumes") as few,
    ):
        namespace.apply(*(volume(name, server) for name in MANY))
        pods.until(lambda now: sum(map(at_work, now.values())) == LIMIT, f"{LIMIT} are at work")
        other.apply(*(volume(name, server) for name in FEW))
        few.until(lambda now: all(phase(now, name) == "Succeeded" for name in FEW), "the few are done", 240)
        many.until(lambda now: all(phase(now, name) == "Succeeded" for name in MANY), "the many are done", 240)
        worked, told = list(pods.seen), [obj["status"] for obj in [*many.seen, *few.seen] if "status" in obj]
        assert tells(namespace, f"waiting for one of {LIMIT} transfers to end")
    assert most_at_once(worked) == LIMIT
    order = begun(worked)
    assert len(order) == len(MANY) + len(FEW)
    assert order[:LIMIT] == [namespace.namespace] * LIMIT
    assert order[: len(MANY)].count(other.namespace) >= 2, f"the few do not wait for all of the many: {order}"
    assert_told(told)


def assert_told(statuses: list[Any]) -> None:
    """Everybody who waited said where he stood."""
    queued = [status for status in statuses if status.get("transfer", {}).get("queuePosition")]
    places = {status["transfer"]["queuePosition"] for status in queued}
    assert {1, 2, 3} <= places
    for status in queued:
        transfer = status["transfer"]
        text = f"waiting for one of {LIMIT} transfers to end, {transfer['queuePosition'] - 1} before it"
        running = next(each for each in status["conditions"] if each["type"] == "Running")
        assert (running["status"], running["reason"], running["message"]) == ("False", "Queued", text)
        assert transfer["message"] == text
        assert status["phase"] == "Pending"
