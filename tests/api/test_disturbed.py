"""Imports while the way to the API server is bad, and while the leader changes in the middle of them.

They end well, and nothing is made twice: every object has a name that follows from the DataVolume, so a write whose
answer was lost is found done.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object
from tests.api.apiserver import ControlPlane
from tests.api.cluster import living
from tests.api.conftest import eventually
from tests.api.controller import ControllerProcess
from tests.api.disturbed import DisturbedWay
from tests.api.objects import CLAIM, volume_on

NAMES = tuple(f"disk-{number}" for number in range(6))
MADE = (CLAIM, "Pod", "VolumeImportSource")
PATIENCE_S = 240.0
"""How soon another takes over is what test_handover is about; here, that it all ends well."""
LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("libfaketime is not installed"))

Run = Callable[[Path, str], ControllerProcess]


@pytest.fixture
async def run(namespace: str, tmp_path: Path) -> AsyncIterator[Run]:
    """Starts controllers that reach the API server by a kubeconfig of their own."""
    started = list[ControllerProcess]()

    def begin(kubeconfig: Path, name: str) -> ControllerProcess:
        started.append(ControllerProcess(str(kubeconfig), namespace, tmp_path, name))
        return started[-1]

    yield begin
    for each in started:
        each.end()


@asynccontextmanager
async def noting(client: Client, namespace: str) -> AsyncIterator[dict[tuple[str, str], set[str]]]:
    """Every object that is made while the block runs: kind and name, and the uids of those who had it."""
    seen: dict[tuple[str, str], set[str]] = {}

    async def follow(kind: str, version: str) -> None:
        async for change, obj in client.watch(kind, version, namespace=namespace):
            if change == "ADDED":
                seen.setdefault((kind, obj["metadata"]["name"]), set()).add(obj["metadata"]["uid"])

    tasks = []
    for kind in MADE:
        [(_, version)] = [page async for page in client.list(kind, namespace=namespace)]
        tasks.append(asyncio.create_task(follow(kind, version)))
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()


async def all_succeeded(client: Client, namespace: str) -> bool:
    volumes = [volume async for page, _ in client.list("DataVolume", namespace=namespace) for volume in page]
    return [volume.get("status", {}).get("phase") for volume in volumes] == ["Succeeded"] * len(NAMES)


async def expected(client: Client, namespace: str) -> set[tuple[str, str]]:
    """What is made for the DataVolumes, each once."""
    wanted = set[tuple[str, str]]()
    for name in NAMES:
        volume, claim = await found(client, "DataVolume", name, namespace), await found(client, CLAIM, name, namespace)
        prime = f"prime-{claim['metadata']['uid']}"
        wanted |= {(CLAIM, name), (CLAIM, prime), ("Pod", f"importer-{prime}")}
        wanted.add(("VolumeImportSource", f"volume-import-source-{volume['metadata']['uid']}"))
    return wanted


async def found(client: Client, kind: str, name: str, namespace: str) -> Object:
    obj = await client.get(kind, name, namespace)
    assert obj is not None, f"{kind} {name} is not there"
    return obj


async def cleaned_up(client: Client, namespace: str) -> bool:
    """The hidden claims are gone, or are only held by the protection that no controller is here to lift."""
    claims = [claim async for page, _ in client.list(CLAIM, namespace=namespace) for claim in page]
    pods = [pod async for page, _ in client.list("Pod", namespace=namespace) for pod in page]
    hidden = [claim for claim in claims if claim["metadata"]["name"] not in NAMES]
    return not pods and all("deletionTimestamp" in claim["metadata"] for claim in hidden)


async def assert_done_once(client: Client, namespace: str, made: dict[tuple[str, str], set[str]]) -> None:
    await eventually(lambda: cleaned_up(client, namespace), PATIENCE_S)
    assert {place for place, uids in made.items() if len(uids) > 1} == set()
    assert made.keys() == await expected(client, namespace)
    for name in NAMES:
        volume, claim = await found(client, "DataVolume", name, namespace), await found(client, CLAIM, name, namespace)
        assert volume["status"]["progress"] == "100.0%"
        assert volume["status"].get("restartCount", 0) == 0
        of_claim = await found(client, "PersistentVolume", claim["spec"]["volumeName"], "")
        assert of_claim["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_imports_on_a_bad_way(
    client: Client, namespace: str, storage: str, control_plane: ControlPlane, tmp_path: Path, run: Run, seed: int
) -> None:
    """Of all requests one in five meets trouble, and no watch lives longer than three seconds."""
    async with (
        DisturbedWay(control_plane, tmp_path, "way", seed=seed, rate=0.04) as way,
        noting(client, namespace) as made,
        living(client, namespace),
    ):
        controller = run(way.kubeconfig, "one")
        for name in NAMES:
            await client.create(volume_on(namespace, storage, name))
        await eventually(lambda: all_succeeded(client, namespace), PATIENCE_S)
        assert controller.code is None
        assert way.troubles.keys() == {
            "slow", "cut before", "cut after", "overloaded", "broken", "conflict", "watch cut"
        }, "the day was not bad enough to prove anything"  # fmt: skip
        await assert_done_once(client, namespace, made)


@pytest.mark.parametrize("how", ["cut off", "stopped"])
async def test_a_leader_lost_in_the_middle_of_its_writes(
    client: Client, namespace: str, storage: str, control_plane: ControlPlane, tmp_path: Path, run: Run, how: str
) -> None:
    """Another takes over, and no write of the old one comes after: neither when its network is back, nor when the
    process, which stood still, goes on where it was. Whatever was on its way does no harm.
    """
    async with (
        DisturbedWay(control_plane, tmp_path, "first") as way,
        noting(client, namespace) as made,
        living(client, namespace),
    ):
        first = run(way.kubeconfig, "first")
        await eventually(lambda: first.leads, PATIENCE_S)
        second = run(control_plane.kubeconfig, "second")
        await eventually(lambda: second.ready, PATIENCE_S)
        for name in NAMES:
            await client.create(volume_on(namespace, storage, name))
        await eventually(lambda: len(way.writes_since(0)) > 2 * len(NAMES), PATIENCE_S)
        if how == "cut off":
            way.cut()
        else:
            first.signal(signal.SIGSTOP)
        await eventually(lambda: second.leads, PATIENCE_S)
        taken_over_at_s = time.monotonic()
        if how == "cut off":
            await eventually(lambda: first.code is not None, PATIENCE_S)
            [gave_up], [began] = first.said("lost the lease, stopping"), second.said("successfully acquired lease")
            assert gave_up["timestamp"] < began["timestamp"], "it gave up before the other could begin"
            way.mend()
        else:
            first.signal(signal.SIGCONT)
        await eventually(lambda: all_succeeded(client, namespace), PATIENCE_S)
        await eventually(lambda: first.code is not None, PATIENCE_S)
        assert first.code == 1
        late = [each for each in way.writes_since(taken_over_at_s) if "/leases/" not in each.path]
        # A process may be stopped right between its last look at the clock and the call that sends: that one goes out.
        assert len(late) <= (1 if how == "stopped" else 0), late
        await assert_done_once(client, namespace, made)


@pytest.mark.parametrize("jump", ["-2d", "+2d"])
async def test_a_clock_that_jumps(
    client: Client, namespace: str, storage: str, control_plane: ControlPlane, tmp_path: Path, jump: str
) -> None:
    """In the middle of imports, by two days. The leader stays the leader, and nothing waits for the time of before."""
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(LIBFAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with (
        # Without TLS, whose certificates are for our days.
        DisturbedWay(control_plane, tmp_path, "way") as way,
        noting(client, namespace) as made,
        living(client, namespace),
    ):
        controller = ControllerProcess(str(way.kubeconfig), namespace, tmp_path, "one", environment=environment)
        try:
            await eventually(lambda: controller.leads, PATIENCE_S)
            for name in NAMES:
                await client.create(volume_on(namespace, storage, name))
            await eventually(lambda: len(way.writes_since(0)) > 2 * len(NAMES), PATIENCE_S)
            offset.write_text(f"{jump}\n")
            await eventually(lambda: all_succeeded(client, namespace), PATIENCE_S)
            await assert_done_once(client, namespace, made)
            first, *_, last = (json.loads(line)["timestamp"] for line in controller.log.read_text().splitlines())
            jumped = datetime.fromisoformat(last) - datetime.fromisoformat(first)
            assert abs(jumped) > timedelta(days=1), "the clock did not jump"
            assert len(controller.said("successfully acquired lease")) == 1
            assert controller.code is None
        finally:
            controller.end()
