"""What the API server refuses is news once, is tried again ever more rarely, and is forgotten in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdi_operator.cluster.errors import ApiError
from cdi_operator.cluster.refusals import Refusals

NOW = datetime(2025, 6, 1, tzinfo=UTC)
QUOTA = ApiError(403, "Forbidden", "exceeded quota: storage")


def claim(size: str = "1Gi", name: str = "disk") -> dict[str, Any]:
    meta = {"name": name, "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": {"size": size}}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("tries", "wait_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (2000, 60.0)])
def test_the_wait_doubles_up_to_a_minute(tries: int, wait_s: float) -> None:
    refusals = Refusals()
    for _ in range(tries):
        refusals.refused(claim(), QUOTA, NOW)
    assert refusals.wait_s(claim(), NOW) == wait_s
    assert refusals.wait_s(claim(), later(wait_s)) == 0


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(days=1)])
def test_a_clock_that_was_set_anew_is_no_reason_to_wait(jump: timedelta) -> None:
    refusals = Refusals()
    refusals.refused(claim(), QUOTA, NOW)
    assert refusals.wait_s(claim(), NOW + jump) == 0


def test_another_wish_is_tried_at_once() -> None:
    refusals = Refusals()
    refusals.refused(claim("9Ti"), QUOTA, NOW)
    assert refusals.wait_s(claim("1Gi"), NOW) == 0


def test_only_other_words_are_news() -> None:
    refusals = Refusals()
    assert refusals.refused(claim(), QUOTA, NOW)
    assert not refusals.refused(claim(), QUOTA, later(1))
    assert refusals.refused(claim(), ApiError(422, "Invalid", "spec.size: must not be"), later(3))


def test_the_flow_sees_the_servers_words_until_the_object_exists() -> None:
    refusals = Refusals()
    refusals.refused(claim(), QUOTA, NOW)
    seen = refusals.get("PersistentVolumeClaim", "disk", "ns")
    assert seen is not None
    assert (seen.reason, seen.message, seen.at) == ("Forbidden", "exceeded quota: storage", NOW)
    refusals.exists("PersistentVolumeClaim", ("ns", "disk"))
    assert refusals.get("PersistentVolumeClaim", "disk", "ns") is None


def test_what_nobody_asks_for_any_more_is_dropped() -> None:
    refusals = Refusals()
    refusals.refused(claim(name="given-up"), QUOTA, NOW)
    refusals.refused(claim(name="other"), QUOTA, later(300))
    assert refusals.get("PersistentVolumeClaim", "given-up", "ns") is None
