"""What the queue promises. The work in these tests is steered by events, never by waiting a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cdi_operator.flows.seen import Key
from cdi_operator.wiring.queue import Retry, Work, WorkQueue

A, B, C = ("ns", "a"), ("ns", "b"), ("ns", "c")


class Gate:
    """Work that reports when it begins and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[Key] = asyncio.Queue()
        self.active: list[Key] = []
        self._go = asyncio.Semaphore(0)

    async def work(self, key: Key) -> float | None:
        assert key not in self.active, "two workers on one key"
        self.active.append(key)
        self.begun.put_nowait(key)
        await self._go.acquire()
        self.active.remove(key)
        return None

    def finish(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()


@asynccontextmanager
async def running(queue: WorkQueue, work: Work) -> AsyncIterator[None]:
    async with asyncio.timeout(5):
        serving = asyncio.create_task(queue.run(work))
        yield
        queue.stop()
        await serving


async def test_a_key_added_twice_is_looked_at_once() -> None:
    queue, gate = WorkQueue("test", 1), Gate()
    for key in (A, A, B, A):
        queue.add(key)
    async with running(queue, gate.work):
        gate.finish(2)
        assert [await gate.begun.get(), await gate.begun.get()] == [A, B]
    assert gate.begun.empty()


async def test_a_key_added_while_looked_at_is_looked_at_once_more() -> None:
    queue, gate = WorkQueue("test", 4), Gate()
    queue.add(A)
    async with running(queue, gate.work):
        assert await gate.begun.get() == A
        queue.add(A)
        queue.add(A)
        queue.add(B)
        assert await gate.begun.get() == B, "the others go on meanwhile, the key itself waits for its turn"
        gate.finish(3)
        assert await gate.begun.get() == A
    assert gate.begun.empty()


async def test_only_so_many_keys_at_once() -> None:
    queue, gate = WorkQueue("test", 2), Gate()
    for key in (A, B, C):
        queue.add(key)
    async with running(queue, gate.work):
        await gate.begun.get()
        await gate.begun.get()
        assert gate.active == [A, B]
        assert gate.begun.empty()
        gate.finish(3)
        assert await gate.begun.get() == C


async def test_a_wait_brings_the_key_back() -> None:
    queue = WorkQueue("test", 1)
    waits = iter([0.05, None])
    looks: asyncio.Queue[float] = asyncio.Queue()

    async def work(key: Key) -> float | None:
        looks.put_nowait(asyncio.get_running_loop().time())
        return next(waits)

    queue.add(A)
    async with running(queue, work):
        assert await looks.get() + 0.05 <= await looks.get()


async def test_the_earlier_of_two_delays_counts() -> None:
    queue, gate = WorkQueue("test", 1), Gate()
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    queue.add_after(A, 60)
    async with running(queue, gate.work):
        gate.finish()
        assert await gate.begun.get() == A


async def test_a_reason_to_look_now_replaces_the_delay() -> None:
    queue, looked = WorkQueue("test", 1), list[Key]()

    async def work(key: Key) -> float | None:
        looked.append(key)
        return None

    queue.add_after(A, 0.02)
    queue.add(A)
    async with running(queue, work):
        await asyncio.sleep(0.06)
    assert looked == [A]


@pytest.mark.parametrize(
    ("retry", "failures", "delay_s"),
    [
        (Retry(1, 300), 0, 1),
        (Retry(1, 300), 3, 8),
        (Retry(1, 300), 20, 300),
        (Retry(1, 300), 5000, 300),
        (Retry(1, 300, at_least_s=30), 0, 30),
        (Retry(1, 300, at_least_s=30), 6, 64),
    ],
)
def test_delay_after_failures(retry: Retry, failures: int, delay_s: float) -> None:
    assert retry.delay_s(failures) == delay_s


async def test_failures_count_up_and_a_success_forgets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, delays = WorkQueue("test", 1), list[float]()
    outcomes = iter(["fail", "fail", "succeed", "fail", "succeed"])
    done = asyncio.Event()

    def at_once(key: Key, delay_s: float) -> None:
        delays.append(delay_s)
        queue.add(key)

    monkeypatch.setattr(queue, "add_after", at_once)

    async def work(key: Key) -> float | None:
        outcome = next(outcomes, None)
        if outcome is None:
            done.set()
        if outcome == "fail":
            raise Retry(first_s=1, longest_s=300)
        return 0.0 if outcome else None

    queue.add(A)
    async with running(queue, work):
        await done.wait()
    assert delays == [1, 2, 0.0, 1, 0.0]


async def test_stop_lets_what_was_begun_finish_and_begins_nothing() -> None:
    queue, gate = WorkQueue("test", 1), Gate()
    queue.add(A)
    queue.add(B)
    serving = asyncio.create_task(queue.run(gate.work))
    await gate.begun.get()
    queue.stop()
    gate.finish(2)
    async with asyncio.timeout(5):
        await serving
    assert gate.begun.empty()


async def test_an_unexpected_error_is_not_swallowed() -> None:
    queue = WorkQueue("test", 1)

    async def work(key: Key) -> float | None:
        raise ZeroDivisionError

    queue.add(A)
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(5):
            await queue.run(work)
    assert raised.group_contains(ZeroDivisionError)
