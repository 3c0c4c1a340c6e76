"""Events as a user finds them with kubectl describe: counted, not repeated, and not too many."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from cdi_operator.cluster import events
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.events import Recorder
from cdi_operator.flows.actions import Emit, Ref
from tests.api.conftest import eventually

START = datetime(2025, 6, 1, 12, tzinfo=UTC)


def about(namespace: str, uid: str = "uid-of-the-volume") -> Ref:
    return Ref("cdi.kubevirt.io/v1beta1", "DataVolume", "vm-disk", namespace, uid)


@asynccontextmanager
async def recording(client: Client) -> AsyncIterator[tuple[Recorder, list[datetime]]]:
    clock = [START]
    recorder = Recorder(client, lambda: clock[0])
    posting = asyncio.create_task(recorder.run())
    yield recorder, clock
    posting.cancel()


async def posted(client: Client, namespace: str) -> list[dict[str, Any]]:
    pages = [page async for page, _ in client.list("Event", namespace=namespace)]
    return [dict(event) for page in pages for event in page]


async def test_an_event_says_who_what_and_when(client: Client, namespace: str) -> None:
    async with recording(client) as (recorder, _):
        recorder.emit(Emit(about(namespace), "Warning", "ErrClaimLost", "PVC vm-disk lost", "importer"))
        await eventually(lambda: posted(client, namespace))
    [event] = await posted(client, namespace)
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "ErrClaimLost", "PVC vm-disk lost")
    assert (event["source"]["component"], event["reportingComponent"]) == ("importer", "importer")
    assert (event["involvedObject"]["kind"], event["involvedObject"]["uid"]) == ("DataVolume", "uid-of-the-volume")
    assert (event["firstTimestamp"], event["count"]) == ("2025-06-01T12:00:00Z", 1)


async def test_repetitions_are_counted(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "COUNT_EVERY_S", 0.0)
    failed = Emit(about(namespace), "Warning", "Error", "Unable to connect")
    async with recording(client) as (recorder, clock):
        for minute in range(5):
            clock[0] = START.replace(minute=minute)
            recorder.emit(failed)
        recorder.emit(Emit(about(namespace), "Warning", "Error", "another message"))

        async def counted() -> bool:
            return {event["message"]: event["count"] for event in await posted(client, namespace)} == {
                "Unable to connect": 5,
                "another message": 1,
            }

        await eventually(counted)
    last = {event["message"]: event["lastTimestamp"] for event in await posted(client, namespace)}
    assert last["Unable to connect"] == "2025-06-01T12:04:00Z"


async def test_after_an_hour_it_is_a_new_event(client: Client, namespace: str) -> None:
    async with recording(client) as (recorder, clock):
        recorder.emit(Emit(about(namespace), "Normal", "Pending", "PVC vm-disk Pending"))
        clock[0] = START.replace(hour=13)
        recorder.emit(Emit(about(namespace), "Normal", "Pending", "PVC vm-disk Pending"))

        async def twice() -> bool:
            return [event["count"] for event in await posted(client, namespace)] == [1, 1]

        await eventually(twice)


async def test_a_counted_event_that_expired_is_made_again(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "COUNT_EVERY_S", 0.0)
    said = Emit(about(namespace), "Normal", "Pending", "PVC vm-disk Pending")
    async with recording(client) as (recorder, _):
        recorder.emit(said)
        await eventually(lambda: posted(client, namespace))
        [first] = await posted(client, namespace)
        await client.delete(Ref.of(first))
        recorder.emit(said)

        async def again() -> bool:
            return [event["count"] for event in await posted(client, namespace)] == [2]

        await eventually(again)


async def test_a_crash_loop_does_not_flood(client: Client, namespace: str) -> None:
    async with recording(client) as (recorder, _):
        for number in range(events.BURST + 20):
            recorder.emit(Emit(about(namespace), "Warning", "Error", f"attempt {number} failed"))
        recorder.emit(Emit(about(namespace, "another-uid"), "Warning", "Error", "of another object"))

        async def arrived() -> bool:
            return any(event["message"] == "of another object" for event in await posted(client, namespace))

        await eventually(arrived)
        await recorder.flush(10)
    assert len(await posted(client, namespace)) == events.BURST + 1


async def test_an_event_that_cannot_be_posted_does_not_stop_the_others(client: Client, namespace: str) -> None:
    async with recording(client) as (recorder, _):
        recorder.emit(Emit(about("no-such-namespace"), "Normal", "Pending", "lost"))
        recorder.emit(Emit(about(namespace), "Normal", "Pending", "arrives"))
        await eventually(lambda: posted(client, namespace))


async def test_an_event_that_is_slow_to_be_taken_holds_up_no_other_object(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of its own object wait behind it, so that they are posted in their order."""
    taken, slow = asyncio.Event(), about(namespace, "uid-slow")
    elsewhere = (
        f"uid-{n}" for n in itertools.count() if hash(f"uid-{n}") % events.LANES != hash("uid-slow") % events.LANES
    )
    other, create = about(namespace, next(elsewhere)), client.create

    async def crawl(obj: Any) -> Any:
        if obj["message"] == "slow":
            await taken.wait()
        return await create(obj)

    async def messages() -> list[str]:
        found = sorted(await posted(client, namespace), key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [event["message"] for event in found]

    monkeypatch.setattr(client, "create", crawl)
    async with recording(client) as (recorder, _):
        for ref, message in ((slow, "slow"), (slow, "behind it"), (other, "another's")):
            recorder.emit(Emit(ref, "Normal", "Told", message))

        async def others_are_there() -> bool:
            return await messages() == ["another's"]

        await eventually(others_are_there)
        taken.set()
        await recorder.flush(5)
    assert await messages() == ["another's", "slow", "behind it"]
