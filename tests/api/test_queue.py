"""The fair queue with the whole controller and a real API server: twelve DataVolumes, three at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cdi_operator.api.annotations import API_VERSION, MAX_TRANSFERS
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object, Ref
from tests.api import node
from tests.api.apiserver import ControlPlane
from tests.api.conftest import Start, eventually, own_namespace
from tests.api.objects import CLAIM, volume_on

LIMIT = 3
MANY, FEW = 8, 4
CONFIG = Ref(API_VERSION, "CDIConfig", "config")


@pytest.fixture
async def other_namespace(client: Client, control_plane: ControlPlane) -> AsyncIterator[str]:
    async with own_namespace(client, control_plane) as name:
        yield name


@pytest.fixture
async def limited(client: Client, start: Start) -> AsyncIterator[None]:
    """A controller that leads, and its limit."""
    controller = start("one")
    await eventually(lambda: controller.leads)

    async def set_limit(text: str | None) -> bool:
        if await client.get("CDIConfig", "config") is None:
            return False
        await client.patch(CONFIG, {"metadata": {"annotations": {MAX_TRANSFERS: text}}})
        return True

    await eventually(lambda: set_limit(str(LIMIT)))
    yield
    await set_limit(None)


async def every(client: Client, kind: str, namespaces: tuple[str, ...]) -> list[Object]:
    return [obj for name in namespaces async for page, _ in client.list(kind, namespace=name) for obj in page]


async def give_volumes(client: Client, namespace: str, count: int) -> None:
    """To all hidden claims, as a provisioner does."""

    async def hidden() -> list[Object]:
        return [claim for claim in await every(client, CLAIM, (namespace,)) if "dataSourceRef" not in claim["spec"]]

    async def all_there() -> bool:
        return len(await hidden()) == count

    await eventually(all_there)
    for claim in await hidden():
        await node.provision(client, claim)


def at_work(pod: Object) -> bool:
    return pod["status"].get("phase") not in ("Succeeded", "Failed")


async def test_three_at_a_time_and_fair(
    client: Client, namespace: str, other_namespace: str, storage: str, limited: None
) -> None:
    both = (namespace, other_namespace)
    begun: dict[str, str] = {}
    """uid of each pod and its namespace, in the order in which they were seen."""

    async def working() -> list[Object]:
        pods = sorted(await every(client, "Pod", both), key=lambda pod: int(pod["metadata"]["resourceVersion"]))
        for pod in pods:
            begun.setdefault(pod["metadata"]["uid"], pod["metadata"]["namespace"])
        found = [pod for pod in pods if at_work(pod)]
        assert len(found) <= LIMIT
        return found

    async def is_full() -> bool:
        return len(await working()) == LIMIT

    for number in range(MANY):
        await client.create(volume_on(namespace, storage, f"many-{number}"))
    await give_volumes(client, namespace, MANY)
    await eventually(is_full)
    for number in range(FEW):
        await client.create(volume_on(other_namespace, storage, f"few-{number}"))
    await give_volumes(client, other_namespace, FEW)

    async def told() -> set[int]:
        volumes = await every(client, "DataVolume", both)
        return {volume.get("status", {}).get("transfer", {}).get("queuePosition", 0) for volume in volumes}

    async def everybody_knows() -> bool:
        return {1, 2, 3, 4, 5} <= await told()

    # Those who came at the same moment count their places anew after ten seconds.
    await eventually(everybody_knows, 60)
    for done in range(MANY + FEW):

        async def next_one_is_there(done: int = done) -> bool:
            await working()
            return len(begun) == min(done + LIMIT, MANY + FEW)

        await eventually(next_one_is_there)
        pod = (await working())[0]
        await node.run(client, pod)
        await node.succeed(client, pod)
    order = list(begun.values())
    assert order[:LIMIT] == [namespace] * LIMIT
    assert order.count(other_namespace) == FEW
    assert order[:MANY].count(other_namespace) >= 2, f"the few do not wait for all of the many: {order}"

    async def nobody_waits() -> bool:
        return await told() == {0}

    await eventually(nobody_waits)
