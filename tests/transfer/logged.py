"""What a web server has written down of its requests, which it does after it has answered: a moment later."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 10.0


def logged(lines: Callable[[], list[str]], least: int = 1) -> list[str]:
    """The lines as soon as there are at least so many of them."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := lines()) < least:
        assert time.monotonic() < deadline, f"only these requests were written down: {found}"
        time.sleep(0.01)
    return found
