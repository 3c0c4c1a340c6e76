"""Runs the tests tier by tier, from the cheapest, and ends with one line for each tier and one for all.

A tier that fails does not keep the next from running: whoever waits for the long ones wants to know all at once. Of
passes that run at the same time the output of one is shown as it comes, that of the others when they are done.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from devcluster.errors import DevclusterError
from tests import prerequisites

TESTS = Path(__file__).parent
PROCESSES = min(os.cpu_count() or 1, 4)
SIDE_BY_SIDE = (f"--numprocesses={PROCESSES}", "--dist=loadfile")
ANYWHERE = (f"--numprocesses={PROCESSES}", "--dist=worksteal")
"""For tests that share nothing with the others of their file."""
PASSES: Mapping[str, Sequence[Sequence[str]]] = {
    "unit": (ANYWHERE,),
    "transfer": (SIDE_BY_SIDE,),
    "api": (SIDE_BY_SIDE,),
    # There is one cluster: most tests can share it, and wait for it more than they work; some need it for themselves.
    # Left to itself, xdist begins with the files that have the most tests, and not with those that take longest.
    "e2e": (
        (f"--numprocesses={PROCESSES + 2}", "--dist=loadfile", "--no-loadscope-reorder", "--only=shared"),
        ("--only=alone",),
    ),
}
"""Arguments of each pytest that a tier takes, the cheapest tier first."""
BESIDE = {"api": "e2e"}
"""A tier that runs beside the last pass of another, which waits more than it works: the API tests have servers of their
own. It takes one process then: what is asked of an API server within seconds has to hold on a slow machine, too."""
ONE_PROCESS = "--numprocesses=0"
Pass = tuple[str, Sequence[str]]
"""A tier, and arguments of pytest."""
RAN, NONE_FOUND = (0, 1), 5
"""Exit codes of a pytest that has run its tests, and that found none for its arguments. Others: it was interrupted or
misused."""


@dataclass(frozen=True)
class Result:
    passed: int
    failed: int
    skipped: int
    took_s: float
    broken: bool
    empty: bool = False
    """There was no test for these arguments."""

    @property
    def good(self) -> bool:
        return not (self.failed or self.broken)


def stages(tiers: Sequence[str]) -> list[list[Pass]]:
    """What runs after another, and in each what runs at the same time."""
    alone = [tier for tier in tiers if BESIDE.get(tier) not in tiers]
    found: list[list[Pass]] = []
    for tier in alone:
        found += [[(tier, options)] for options in PASSES[tier]]
        beside = [other for other in tiers if BESIDE.get(other) == tier]
        found[-1] += [(other, (*options, ONE_PROCESS)) for other in beside for options in PASSES[other]]
    return found


def run(tiers: Sequence[str], arguments: Sequence[str]) -> dict[str, Result]:
    """All passes of all tiers, of which one may be without a test; what `arguments` say comes last, so it counts."""
    results: dict[str, list[Result]] = {tier: [] for tier in tiers}
    for stage in stages(tiers):
        print(f"\n{' and '.join(tier for tier, _ in stage)}", flush=True)
        with ThreadPoolExecutor() as pool:
            first, *others = [
                pool.submit(one_pass, tier, (*options, *arguments), shown=number == 0)
                for number, (tier, options) in enumerate(stage)
            ]
            for (tier, _), done in zip(stage, (first, *others), strict=True):
                found, output = done.result()
                print(output, end="", flush=True)
                results[tier].append(found)
    return {tier: together([one for one in found if not one.empty] or found) for tier, found in results.items()}


def one_pass(tier: str, arguments: Sequence[str], shown: bool) -> tuple[Result, str]:
    """What came of it, and its output where that was not shown."""
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        argv = [sys.executable, "-m", "pytest", str(TESTS / tier), f"--junit-xml={report.name}", *arguments]
        output, errors = (None, None) if shown else (subprocess.PIPE, subprocess.STDOUT)
        ran = subprocess.run(argv, cwd=TESTS.parent, text=True, stdout=output, stderr=errors)
        text = Path(report.name).read_text()
    return result(text, ran.returncode, time.monotonic() - started), ran.stdout or ""


def together(results: Sequence[Result]) -> Result:
    return Result(
        passed=sum(one.passed for one in results),
        failed=sum(one.failed for one in results),
        skipped=sum(one.skipped for one in results),
        took_s=sum(one.took_s for one in results),
        broken=any(one.broken for one in results),
    )


def result(report: str, code: int, took_s: float) -> Result:
    """From pytest's JUnit report (empty when it did not get so far) and its exit code."""
    suites = list(ElementTree.fromstring(report).iter("testsuite")) if report else []

    def total(name: str) -> int:
        return sum(int(suite.get(name, "0")) for suite in suites)

    failed, skipped = total("failures") + total("errors"), total("skipped")
    passed = total("tests") - failed - skipped
    return Result(passed, failed, skipped, took_s, broken=code not in RAN or not suites, empty=code == NONE_FOUND)


def counts(result: Result) -> str:
    return f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tiers", description=__doc__)
    parser.add_argument("tiers", nargs="+", choices=tuple(PASSES), metavar="TIER", help=", ".join(PASSES))
    options, arguments = parser.parse_known_args()
    try:
        prerequisites.ensure()
        if "transfer" in options.tiers:
            prerequisites.ensure_peers()
    except (DevclusterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = run(options.tiers, arguments)
    print()
    for tier, one in results.items():
        print(f"{tier:8} {counts(one)} in {one.took_s:.0f} s{' (BROKEN OFF)' if one.broken else ''}")
    print(counts(together(list(results.values()))))
    return 0 if all(one.good for one in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
