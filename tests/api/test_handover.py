"""Which of several controllers works, and how the next one takes over."""

from __future__ import annotations

import signal
from datetime import datetime
from typing import Any

from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Ref
from tests.api.conftest import Start, eventually
from tests.api.objects import has_hidden_claim, volume_on


async def test_a_standby_is_ready_and_idle_and_takes_over_at_once(
    client: Client, namespace: str, storage: str, start: Start
) -> None:
    first = start("first")
    await eventually(lambda: first.leads)
    second = start("second")
    await eventually(lambda: second.ready)
    await client.create(volume_on(namespace, storage))
    await eventually(lambda: has_hidden_claim(client, namespace, "vm-disk"))
    assert not second.leads
    assert second.metric("cdi_reconciles_total") == 0

    first.signal(signal.SIGTERM)
    await eventually(lambda: second.leads, patience_s=2 + 1)
    await eventually(lambda: first.code is not None)
    assert first.code == 0
    released, acquired = first.said("released lease"), second.said("successfully acquired lease")
    assert seconds_between(released[0], acquired[0]) < 2
    assert not first.ready_file.exists()
    await client.create(volume_on(namespace, storage, "next"))
    await eventually(lambda: has_hidden_claim(client, namespace, "next"))


async def test_a_leader_that_is_killed_is_replaced_within_15_s(start: Start) -> None:
    first = start("first")
    await eventually(lambda: first.leads)
    second = start("second")
    await eventually(lambda: second.ready)
    first.signal(signal.SIGKILL)
    await eventually(lambda: second.leads, patience_s=15)


async def test_a_leader_that_lost_its_lease_ends(client: Client, namespace: str, start: Start) -> None:
    controller = start("one")
    await eventually(lambda: controller.leads)
    lease = Ref("coordination.k8s.io/v1", "Lease", "cdi-controller-leader-election-helper", namespace)
    await client.patch(lease, {"spec": {"holderIdentity": "a-thief"}})
    await eventually(lambda: controller.code is not None)
    assert controller.code == 1
    assert controller.said("lost the lease, stopping")[0]["error"] == "it is held by a-thief"


def seconds_between(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    first, second = (datetime.fromisoformat(line["timestamp"]) for line in (earlier, later))
    return (second - first).total_seconds()
