"""How an import looks as it goes on: on a terminal lines that rewrite themselves, in a log one for each change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from demo.follow import Import

LOG_STEP_PERCENT = 10.0


@contextmanager
def showing(console: Console) -> Iterator[Callable[[Import], None]]:
    """Call what this gives with every change."""
    if not console.is_terminal:
        yield _Log(console).show
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield lambda state: live.update(_panel(state))


class _Log:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.said = ("", "", 0)

    def show(self, state: Import) -> None:
        now = (state.phase, state.trouble, int(percent(state) / LOG_STEP_PERCENT))
        if now != self.said:
            self.said = now
            self.console.print(f"  {_elapsed_s(state):5.1f} s  {state.phase or 'applied':22} {figures(state)}")
            if state.trouble:
                self.console.print(f"           {escape(state.trouble)}")


def _panel(state: Import) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("  phase", f"[bold]{state.phase or '(none yet)'}")
    table.add_row("  stage", state.doing)
    bar = ProgressBar(total=100, completed=percent(state), width=40)
    table.add_row("  progress", bar)
    table.add_row("", figures(state))
    table.add_row("  time", f"{_elapsed_s(state):.1f} s")
    return Group(table, f"  [red]{escape(state.trouble)}[/]" if state.trouble else "")


def percent(state: Import) -> float:
    """The worker's figure is a second or two ahead of the DataVolume's."""
    told = state.worker.get("kubevirt_cdi_import_progress_total", 0.0)
    return 100.0 if state.phase == "Succeeded" else max(state.percent, told)


def figures(state: Import) -> str:
    """Percent, bytes, speed and the time left, as far as they are known."""
    worker, parts = state.worker, [f"{percent(state):.1f} %"]
    if state.phase == "Succeeded":
        return parts[0]
    if source_bytes := worker.get("kubevirt_cdi_import_source_bytes_total"):
        whole_bytes = worker.get("kubevirt_cdi_import_source_size_bytes")
        parts.append(f"{source_bytes / 1e6:.0f}{f' of {whole_bytes / 1e6:.0f}' if whole_bytes else ''} MB")
    if speed := worker.get("kubevirt_cdi_import_speed_bytes_per_second"):
        parts.append(f"{speed / 1e6:.0f} MB/s")
    if (eta_s := worker.get("kubevirt_cdi_import_eta_seconds")) is not None:
        parts.append(f"{eta_s:.0f} s left")
    return ", ".join(parts)


def _elapsed_s(state: Import) -> float:
    return time.monotonic() - state.run.asked_at
