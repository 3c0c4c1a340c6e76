"""Waiting: for many requests at a time, for an object to come, and for a controller to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from bench.scale.measure import cpu_s
from cdi_operator.flows.actions import Object
from tests.api.controller import ControllerProcess

AT_ONCE = 32
STILL_S = 2.0
NOTHING_S = 0.02
"""CPU seconds in that time that are no work: the clock of the kernel ticks every 0.01 s."""
PATIENCE_S = 1800.0


async def all_of(jobs: Iterable[Awaitable[Any]]) -> None:
    """A bounded number at a time."""
    left = iter(jobs)

    async def work() -> None:
        for job in left:
            await job

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def appears(watch: AsyncIterator[tuple[str, Object]], name: str) -> None:
    async for _, obj in watch:
        if obj["metadata"].get("name") == name:
            return


async def at_rest(pid: int) -> None:
    """Until it uses no CPU. (To ask it would be work.)"""
    before_s = -1.0
    async with asyncio.timeout(PATIENCE_S):
        while (now_s := cpu_s(pid)) > before_s + NOTHING_S:
            before_s = now_s
            await asyncio.sleep(STILL_S)


async def still(controller: ControllerProcess) -> None:
    """Until it has looked at nothing for a while."""
    before = -1.0
    async with asyncio.timeout(PATIENCE_S):
        while (now := controller.metric("cdi_reconciles_total")) != before:
            before = now
            await asyncio.sleep(STILL_S)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.05)


async def until_none(listed: Callable[[], AsyncIterator[tuple[list[Object], str]]]) -> None:
    """Until a list is empty."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if not [obj async for page, _ in listed() for obj in page]:
                return
            await asyncio.sleep(STILL_S)
