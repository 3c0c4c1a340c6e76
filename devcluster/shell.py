"""Running a program and turning its failure into a line that says what was run and what it answered."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.errors import DevclusterError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run `argv` and return its standard output; a failure raises DevclusterError with the end of its error output."""
    try:
        done = subprocess.run(argv, input=stdin, env=env, cwd=cwd, text=True, capture_output=True)
    except FileNotFoundError as error:
        raise DevclusterError(f"{argv[0]} is not there: install it and try again") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-5:]
        raise DevclusterError(f"`{' '.join(map(str, argv))}` failed ({done.returncode}): {' / '.join(said)}")
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether `argv` can be run and exits with 0; its output is dropped."""
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def say(line: str) -> None:
    """Tell the user how far things are; standard output is kept for what a command was asked for."""
    print(line, file=sys.stderr, flush=True)
