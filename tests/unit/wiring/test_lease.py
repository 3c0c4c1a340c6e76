"""Who may take the lease, and what is written into it. The election itself runs in tests/api."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.wiring.lease import GIVE_UP_S, LEASE_S, POLL_S, Election, micro_time, take

NOW = datetime(2025, 6, 1, 12, 0, 0, 250, tzinfo=UTC)
EARLIER = "2020-01-01T00:00:00.000000Z"


def spec(holder: str, renewed: str = EARLIER, lasts_s: int = LEASE_S) -> dict[str, Any]:
    return {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": lasts_s}


@pytest.mark.parametrize(
    ("looks", "wanted"),
    [
        # at which second, what was seen                                         may we take it in the end
        ([(0, spec(""))], True),  # given back
        ([(0, spec("me"))], True),  # ours, before we were restarted
        ([(0, spec("other"))], False),  # however old its time stamp looks: clocks differ
        ([(0, spec("other")), (LEASE_S, spec("other"))], False),
        ([(0, spec("other")), (LEASE_S + 1, spec("other"))], True),  # silent for too long
        ([(0, spec("other")), (LEASE_S, spec("other", "renewed")), (LEASE_S + 1, spec("other", "renewed"))], False),
        ([(0, spec("other")), (LEASE_S, spec("third")), (LEASE_S + 1, spec("third"))], False),  # a new holder
        ([(0, spec("other", lasts_s=30)), (LEASE_S + 1, spec("other", lasts_s=30))], False),  # its own word counts
    ],
)
def test_who_may_take_it(looks: list[tuple[float, dict[str, Any]]], wanted: bool) -> None:
    clock = [0.0]
    election = Election(client=None, namespace="cdi", identity="me", clock=lambda: clock[0])  # type: ignore[arg-type]
    may = False
    for clock[0], seen in looks:
        may = election._may_take(seen)
    assert may is wanted


@pytest.mark.parametrize(
    ("before", "transitions"),
    [({}, 0), ({"holderIdentity": "other", "leaseTransitions": 3}, 4), ({"holderIdentity": "me"}, 0)],
)
def test_transitions_count_changes_of_the_holder(before: dict[str, Any], transitions: int) -> None:
    assert take(before, "me", NOW)["leaseTransitions"] == transitions


@pytest.mark.parametrize(
    ("later_s", "may_write"),
    [(0, True), (GIVE_UP_S, True), (GIVE_UP_S + 0.1, False), (3600, False)],
)
def test_nothing_is_written_once_the_others_may_have_begun(later_s: float, may_write: bool) -> None:
    clock = [100.0]
    election = Election(client=None, namespace="cdi", identity="me", clock=lambda: clock[0])  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        election.fence()
    election._held_since_s = clock[0]
    clock[0] += later_s
    with nullcontext() if may_write else pytest.raises(Unreachable):
        election.fence()


class Lease:
    """The API server, as far as one lease goes."""

    def __init__(self, held_by: str, version: int) -> None:
        self.record = {"metadata": {"name": "l", "resourceVersion": str(version)}, "spec": spec(held_by)}
        self.requests: list[str] = []

    async def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        self.requests.append("get")
        return self.record

    async def replace(self, wanted: dict[str, Any]) -> dict[str, Any]:
        self.requests.append("replace")
        if wanted["metadata"] != self.record["metadata"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        self.record = wanted
        return wanted


@pytest.mark.parametrize(
    ("holder", "version", "age_s", "requests", "left_to"),
    [
        # of the record as it is now; age of our last write     what is done                      who has it then
        ("me", 1, 0, ["replace"], ""),
        ("me", 2, 0, ["replace", "get", "replace"], ""),  # renewed, but nobody waited for the answer
        ("other", 2, 0, ["replace", "get"], "other"),
        ("me", 1, GIVE_UP_S + 0.1, [], "me"),  # it soon is free by itself
    ],
)
async def test_it_is_given_back(holder: str, version: int, age_s: float, requests: list[str], left_to: str) -> None:
    server, clock = Lease(holder, version), [100.0]
    election = Election(client=server, namespace="cdi", identity="me", clock=lambda: clock[0])  # type: ignore[arg-type]
    election._lease = {"metadata": {"name": "l", "resourceVersion": "1"}, "spec": spec("me")}
    election._held_since_s = clock[0] - age_s
    await election.release()
    assert (server.requests, server.record["spec"]["holderIdentity"]) == (requests, left_to)


async def test_one_that_never_had_it_gives_nothing_back() -> None:
    server = Lease("other", 1)
    await Election(client=server, namespace="cdi", identity="me").release()  # type: ignore[arg-type]
    assert server.requests == []


def test_times_are_utc_with_microseconds() -> None:
    assert micro_time(NOW) == "2025-06-01T12:00:00.000250Z"


def test_a_holder_gives_up_before_the_others_begin() -> None:
    assert GIVE_UP_S < LEASE_S
    assert LEASE_S + 2 * POLL_S < 15
