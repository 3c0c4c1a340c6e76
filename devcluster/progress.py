"""A progress bar that costs nothing: one line that rewrites itself on a terminal, a line now and then in a log."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

WIDTH = 30
LOG_INTERVAL_S = 20.0


@dataclass
class Bar:
    """Progress of `total` steps of one piece of work; times are in seconds."""

    label: str
    total: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)
    shown: float = 0.0

    def show(self, done: int, detail: str = "") -> None:
        """Draw the bar with `done` steps finished; on a log a line at most every LOG_INTERVAL_S."""
        now = time.monotonic()
        live = self.stream.isatty()
        if now - self.shown < (0.1 if live else LOG_INTERVAL_S):
            return
        self.shown = now
        line = render(self.label, done, self.total, now - self.started, detail)
        print(f"\r\x1b[K{line[:118]}" if live else line, end="" if live else "\n", file=self.stream, flush=True)

    def finish(self) -> None:
        """Leave one last line that says how long it took."""
        took = f"{self.label}: done in {time.monotonic() - self.started:.0f} s"
        print(f"\r\x1b[K{took}" if self.stream.isatty() else took, file=self.stream, flush=True)


def render(label: str, done: int, total: int, elapsed_s: float, detail: str) -> str:
    """One line: label, bar, percent, time spent, and a guess of the time left once there is something to guess from."""
    share = min(1.0, done / total) if total else 0.0
    filled = int(share * WIDTH)
    left = f", about {elapsed_s / share - elapsed_s:.0f} s left" if share >= 0.05 else ""
    bar = "#" * filled + "." * (WIDTH - filled)
    return f"{label} [{bar}] {share:4.0%} {elapsed_s:.0f} s{left} {detail}".rstrip()
