"""What is going on, for the one who waits: each stage has a line while it lasts, and its time afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Told = Callable[[str], None]


@dataclass
class Stages:
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    took_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, title: str) -> Iterator[Told]:
        """Time what happens inside; what is told shows behind the title until there is something newer to tell."""
        started = time.monotonic()
        with self.console.status(title) as status:
            yield lambda line: status.update(escape(f"{title}: {line}"[: self.console.width - 4]))
        self.done(title, time.monotonic() - started)

    @contextmanager
    def loud(self, title: str) -> Iterator[None]:
        """The same for something that draws on the terminal itself."""
        started = time.monotonic()
        yield
        self.done(title, time.monotonic() - started)

    def done(self, title: str, seconds: float) -> None:
        self.took_s[title] = seconds
        self.console.print(f"[green]done[/] {title} [dim]{seconds:.1f} s[/]")

    def table(self) -> Table:
        table = Table("stage", box=None, pad_edge=False)
        table.add_column("seconds", justify="right")
        for title, seconds in self.took_s.items():
            table.add_row(title, f"{seconds:.1f}")
        table.add_row("[bold]altogether", f"[bold]{sum(self.took_s.values()):.1f}")
        return table
