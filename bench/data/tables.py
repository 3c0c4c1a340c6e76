"""What came out, as tables: seconds first, then the ratios beside those that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.table import Table

from bench.data.contest import LIMIT_BYTES, Contender
from bench.data.images import MIB
from bench.data.measure import Sample
from bench.data.rows import Row

SQUEEZED_AT_MOST = 1.3
PARTS = ("fetch", "decode", "write")

Results = Mapping[str, Contender]
Measured = Mapping[str, tuple[Row, Results]]
"""By the title of the row."""


def comparison(measured: Measured, title: str) -> Table:
    table = _table(
        title, "input", "target", "ours s", "plain s", "limit s", "ours/plain", "ours/limit",
        "CPU s", "peak MiB", "fetched MiB", "written MiB",
    )  # fmt: skip
    table.caption = "asked ratios in brackets, ! where they are missed; the last four columns: ours / plain tools"
    for row, results in measured.values():
        for kind in kinds(results):
            ours, plain = results[f"ours {kind}"].result, results[f"plain {kind}"].result
            limit, why = limit_for(row, kind, measured)
            table.add_row(
                row.title, kind, seconds(ours), seconds(plain), f"{limit:.2f} {why}" if limit else "",
                ratio(ours, plain.seconds if plain else 0, row.asked_of_plain), ratio(ours, limit, row.asked_of_limit),
                both(ours, plain, lambda each: f"{each.cpu_s:.2f}"),
                both(ours, plain, lambda each: f"{each.peak_bytes / MIB:.0f}"),
                both(ours, plain, lambda each: f"{each.fetched_bytes / MIB:.0f}"),
                both(ours, plain, lambda each: f"{each.written_bytes / MIB:.0f}"),
            )  # fmt: skip
    return table


def squeezing(measured: Measured, title: str) -> Table:
    small = f"{LIMIT_BYTES // MIB} MiB"
    table = _table(title, "input", "target", "free s", f"within {small} s", "ratio", "peak MiB", "written MiB")
    for row, results in measured.values():
        for kind in kinds(results):
            free, within = results[f"ours {kind}"].result, results[f"ours {kind} squeezed"].result
            table.add_row(
                row.title, kind, seconds(free), seconds(within),
                ratio(within, free.seconds if free else 0, SQUEEZED_AT_MOST),
                both(within, free, lambda each: f"{each.peak_bytes / MIB:.0f}"),
                both(within, free, lambda each: f"{each.written_bytes / MIB:.0f}"),
            )  # fmt: skip
    return table


def promises(figures: Mapping[str, tuple[float, float]]) -> Table:
    """Seconds, and at most how many were asked for."""
    table = _table("by themselves", "what", "ours s", "asked s")
    for what, (found, asked) in figures.items():
        table.add_row(what, f"{found:.3f}{'' if found <= asked else ' !'}", f"{asked:.3f}")
    return table


def kinds(results: Results) -> list[str]:
    return [kind for kind in ("file", "block") if f"ours {kind}" in results]


def limit_for(row: Row, kind: str, measured: Measured) -> tuple[float, str]:
    """Seconds and where they come from; 0 where nothing is known."""
    if row.uncapped:
        uncapped = measured.get(row.uncapped)
        result = uncapped[1][f"ours {kind}"].result if uncapped else None
        return (result.seconds, "uncapped") if result else (0.0, "")
    parts: dict[str, tuple[float, str]] = {}
    for name, contender in measured[row.title][1].items():
        part, _, onto = name.partition(":")[0].partition(" ")
        if part in PARTS and onto in ("", kind) and (result := contender.result):
            parts[part] = min(parts.get(part, (result.seconds, name)), (result.seconds, name))
    return max(parts.values(), default=(0.0, ""))


def seconds(sample: Sample | None) -> str:
    return f"{sample.seconds:.2f}" if sample else "failed"


def ratio(ours: Sample | None, other_s: float, asked: float) -> str:
    if not ours or not other_s:
        return ""
    found = ours.seconds / other_s
    wanted = f" ({asked}){' !' if found > asked else ''}" if asked else ""
    return f"{found:.2f}{wanted}"


def both(ours: Sample | None, other: Sample | None, shown: Callable[[Sample], str]) -> str:
    return " / ".join(shown(each) if each else "-" for each in (ours, other))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 else "right")
    return table
