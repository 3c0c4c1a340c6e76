"""What all tests share is made by the first process that needs it, while the others wait: pytest may run several."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def once(run: str, what: str) -> Iterator[bool]:
    """Whether it is to be made here and now. When that fails, the next process tries again.

    `run`: what all processes of one pytest have in common, and no other pytest has.
    """
    with open(Path(tempfile.gettempdir()) / f"cdi-e2e-{run}-{what}", "a+") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        made.seek(0)
        first = not made.read()
        yield first
        if first:
            made.write("made\n")
