"""What all tests share is made by the first process that needs it, while the others wait: pytest may run several."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def once(common: Path, what: str) -> Iterator[bool]:
    """Whether it is to be made here and now. When that fails, the next process tries again.

    `common`: a directory that all processes of one pytest have in common, and no other pytest has.
    """
    with open(common / what, "a+") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        made.seek(0)
        first = not made.read()
        yield first
        if first:
            made.write("made\n")
