"""Runs the tests tier by tier, from the cheapest, and ends with one line for each tier and one for all.

A tier that fails does not keep the next from running: whoever waits for the long ones wants to know all at once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from devcluster.errors import DevclusterError
from tests import prerequisites

TESTS = Path(__file__).parent
TIERS = ("unit", "transfer", "api", "e2e")
SIDE_BY_SIDE = ("unit", "transfer", "api")
"""Tiers whose files can run at the same time, as each has servers of its own. There is one cluster only."""
MOST_PROCESSES = 4
RAN = (0, 1)
"""Exit codes of a pytest that has run its tests. Others: interrupted, misused, or a tier without a test."""


@dataclass(frozen=True)
class Result:
    passed: int
    failed: int
    skipped: int
    took_s: float
    broken: bool

    @property
    def good(self) -> bool:
        return not (self.failed or self.broken)


def run(tier: str, arguments: Sequence[str]) -> Result:
    """One pytest for `tier`; what `arguments` say comes last, so it counts."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES) if tier in SIDE_BY_SIDE else 0
    spread = [f"--numprocesses={processes}", "--dist=loadfile"]
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        argv = [sys.executable, "-m", "pytest", str(TESTS / tier), f"--junit-xml={report.name}", *spread, *arguments]
        code = subprocess.run(argv, cwd=TESTS.parent).returncode
        text = Path(report.name).read_text()
    return result(text, code, time.monotonic() - started)


def result(report: str, code: int, took_s: float) -> Result:
    """From pytest's JUnit report (empty when it did not get so far) and its exit code."""
    suites = list(ElementTree.fromstring(report).iter("testsuite")) if report else []

    def total(name: str) -> int:
        return sum(int(suite.get(name, "0")) for suite in suites)

    failed, skipped = total("failures") + total("errors"), total("skipped")
    passed = total("tests") - failed - skipped
    return Result(passed, failed, skipped, took_s, broken=code not in RAN or not suites)


def counts(result: Result) -> str:
    return f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tiers", description=__doc__)
    parser.add_argument("tiers", nargs="+", choices=TIERS, metavar="TIER", help=", ".join(TIERS))
    options, arguments = parser.parse_known_args()
    try:
        prerequisites.ensure()
        if "transfer" in options.tiers:
            prerequisites.ensure_peers()
    except (DevclusterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = {}
    for tier in options.tiers:
        print(f"\n{tier}", flush=True)
        results[tier] = run(tier, arguments)
    print()
    for tier, one in results.items():
        print(f"{tier:8} {counts(one)} in {one.took_s:.0f} s{' (BROKEN OFF)' if one.broken else ''}")
    every = results.values()
    print(
        f"{sum(one.passed for one in every)} passed, {sum(one.failed for one in every)} failed, "
        f"{sum(one.skipped for one in every)} skipped"
    )
    return 0 if all(one.good for one in every) else 1


if __name__ == "__main__":
    sys.exit(main())
