"""Tries images until the time is over; exits with 1 when something was found."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from tests.fuzz.judge import FOUND, OUTCOMES, Verdict, judged
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import MAKE, Seed, seeds_of

FINDINGS = Path("fuzz-findings")
LINE_S = 1.0
"""Between two lines of progress."""


class Tally:
    def __init__(self) -> None:
        self.causes: Counter[tuple[str, str]] = Counter()
        self.outcomes: dict[str, Counter[str]] = {}

    def add(self, form: str, verdict: Verdict) -> bool:
        """Whether this is the first of its kind."""
        self.outcomes.setdefault(form, Counter())[verdict.outcome] += 1
        key = (verdict.outcome, verdict.cause)
        self.causes[key] += 1
        return self.causes[key] == 1

    @property
    def found(self) -> int:
        return sum(counts[FOUND] for counts in self.outcomes.values())

    @property
    def tried(self) -> int:
        return sum(counts.total() for counts in self.outcomes.values())


def cases(seeds: Mapping[str, Sequence[Seed]], number: int) -> Iterator[tuple[str, str, bytes]]:
    """Format, name and content of images without end, the same for the same number."""
    for count in itertools.count():
        for form, good in seeds.items():
            chance = Random(f"{form} {number} {count}")
            yield form, f"{form}-{number}-{count}", mutated(chance.choice(good), good, chance)


def fuzz(forms: Sequence[str], number: int, seconds: float, findings: Path) -> Tally:
    tally, began, told = Tally(), time.monotonic(), 0.0
    with _room() as name:
        home = Path(name)
        for form, case, content in cases({form: seeds_of(form, home) for form in forms}, number):
            took = time.monotonic() - began
            if took - told > LINE_S:
                told = took
                show(f"{took:4.0f} s  {tally.tried} images, {tally.tried / took:.0f}/s, {tally.found} findings")
            if took > seconds:
                return tally
            verdict = judged(form, content, home)
            if tally.add(form, verdict) and verdict.outcome == FOUND:
                findings.mkdir(exist_ok=True)
                path = findings / case
                path.write_bytes(content)
                print(f"\nFOUND {verdict.cause}\n  python -m tests.fuzz --format {form} --image {path}", flush=True)
    raise AssertionError("there are always more images")


def again(form: str, image: Path) -> Tally:
    """One image that was found."""
    tally = Tally()
    with _room() as name:
        tally.add(form, judged(form, image.read_bytes(), Path(name)))
    return tally


def _room() -> tempfile.TemporaryDirectory[str]:
    """In memory where there is room for it."""
    return tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def show(line: str) -> None:
    print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


def summary(tally: Tally) -> str:
    lines = [f"{'':6}" + "".join(f"{outcome:>22}" for outcome in OUTCOMES)]
    for form, counts in sorted(tally.outcomes.items()):
        lines.append(f"{form:6}" + "".join(f"{counts[outcome]:22}" for outcome in OUTCOMES))
    for wanted in OUTCOMES[2:]:
        for (outcome, cause), count in tally.causes.most_common():
            if outcome == wanted and cause:
                lines.append(f"{outcome}, {count} times: {cause}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="the same images again; otherwise new ones each time")
    parser.add_argument("--format", action="append", choices=MAKE, help="only this; may be given more than once")
    parser.add_argument("--image", type=Path, help="only this one, which was found; with its --format")
    options = parser.parse_args()
    if options.image:
        if not options.format:
            parser.error("of which --format is the image?")
        tally = again(options.format[0], options.image)
    else:
        number = Random().randrange(1 << 32) if options.seed is None else options.seed
        print(f"seed {number}")
        tally = fuzz(options.format or [*MAKE], number, options.seconds, FINDINGS)
    print(f"\n{summary(tally)}")
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main())
