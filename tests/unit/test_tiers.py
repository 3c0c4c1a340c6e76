"""The counts at the end of `make test`: a tier that did not run has not passed."""

from __future__ import annotations

import pytest

from tests.tiers import ONE_PROCESS, Result, result, stages, together

SUITE = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


@pytest.mark.parametrize(
    # report                     pytest's exit code
    ("report", "code", "wanted", "good"),
    [
        (SUITE.format(5, 0, 0, 0), 0, (5, 0, 0), True),
        (SUITE.format(5, 1, 1, 2), 1, (1, 2, 2), False),
        (SUITE.format(0, 0, 0, 0), 5, (0, 0, 0), False),
        (SUITE.format(3, 0, 0, 0), 2, (3, 0, 0), False),
        ("", 3, (0, 0, 0), False),
        ("", 0, (0, 0, 0), False),
    ],
)
def test_result(report: str, code: int, wanted: tuple[int, int, int], good: bool) -> None:
    seen = result(report, code, took_s=1.0)
    assert (seen.passed, seen.failed, seen.skipped) == wanted
    assert seen.good is good


def test_a_pass_without_a_test_is_no_mistake_when_there_are_others() -> None:
    some, none = Result(9, 0, 1, 2.0, broken=False), result(SUITE.format(0, 0, 0, 0), 5, took_s=1.0)
    assert (some.empty, none.empty) == (False, True)
    assert together([some, some]) == Result(18, 0, 2, 4.0, broken=False)
    assert not together([some, Result(0, 0, 0, 1.0, broken=True)]).good


def test_a_failure_spoils_the_tier() -> None:
    assert not Result(passed=9, failed=1, skipped=0, took_s=1.0, broken=False).good


@pytest.mark.parametrize(
    ("tiers", "wanted"),
    [
        (["unit", "transfer"], [["unit"], ["transfer"]]),
        (["api"], [["api"]]),
        (["e2e"], [["e2e"], ["e2e"]]),
        (["unit", "api", "e2e"], [["unit"], ["e2e"], ["e2e", "api"]]),
    ],
)
def test_what_runs_at_the_same_time(tiers: list[str], wanted: list[list[str]]) -> None:
    assert [[tier for tier, _ in stage] for stage in stages(tiers)] == wanted


def test_a_tier_beside_another_takes_one_process() -> None:
    [[(_, by_itself)]] = stages(["api"])
    [_, (_, beside)] = stages(["api", "e2e"])[-1]
    assert list(beside) == [*by_itself, ONE_PROCESS]
