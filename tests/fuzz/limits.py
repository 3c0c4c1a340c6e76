"""How long one image may take here, and how much memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

CPU_S, WAIT_S = 20, 120
"""Of computing; of waiting for a thread that never comes."""
MEMORY_BYTES = 112 << 20
"""On top of what the process has: what is left of 128 MiB when Python has started."""

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class TooLong(BaseException):
    """No Exception, so that nobody takes it for a broken image."""


class TooMuch(Exception):
    pass


@contextmanager
def limited() -> Iterator[None]:
    """Raises TooLong or TooMuch. Only in the main thread."""
    before = (signal.signal(signal.SIGPROF, _too_long), signal.signal(signal.SIGALRM, _too_long))
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    signal.setitimer(signal.ITIMER_REAL, WAIT_S)
    _RESET.write_text("5")
    had = _memory("VmRSS")
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGPROF, before[0])
        signal.signal(signal.SIGALRM, before[1])
    if (took := _memory("VmHWM") - had) > MEMORY_BYTES:
        raise TooMuch(f"it takes {took >> 20} MiB of memory")


def _too_long(number: int, frame: object) -> NoReturn:
    raise TooLong(f"it takes more than {CPU_S if number == signal.SIGPROF else WAIT_S} seconds")


def _memory(key: str) -> int:
    """In bytes, of this process; VmHWM is the most that it had."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) << 10
