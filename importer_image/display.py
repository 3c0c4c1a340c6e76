"""Progress for people: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO

from importer_image.log import CLEAR_LINE, log
from importer_image.progress import Progress, Snapshot

BAR_EVERY_S = 0.2
LINE_EVERY_S = 10.0
BAR_WIDTH = 24


@contextmanager
def shown(progress: Progress, stream: TextIO = sys.stderr) -> Iterator[None]:
    """Show progress while the body runs."""
    terminal = stream.isatty()
    ended = Event()

    def show() -> None:
        while not ended.wait(BAR_EVERY_S if terminal else LINE_EVERY_S):
            now = progress.snapshot()
            if terminal:
                stream.write(f"{CLEAR_LINE}{bar(now)}")
                stream.flush()
            else:
                log("progress", **fields(now))

    thread = Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if terminal:
            stream.write(CLEAR_LINE)
            stream.flush()


def bar(now: Snapshot) -> str:
    filled = round(BAR_WIDTH * (now.percent or 0) / 100)
    percent = "  ?  %" if now.percent is None else f"{now.percent:5.1f} %"
    speed = f"{size(now.speed)}/s"
    return f"[{'#' * filled:<{BAR_WIDTH}}] {percent}  {size(now.source_bytes):>9}  {speed:>11}  {eta(now)}  {now.stage}"


def fields(now: Snapshot) -> dict[str, str]:
    return {
        "stage": now.stage,
        "percent": "unknown" if now.percent is None else f"{now.percent:.1f}",
        "bytes": str(now.source_bytes),
        "speed": f"{size(now.speed)}/s",
        "eta": eta(now),
    }


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def eta(now: Snapshot) -> str:
    if now.eta_s is None:
        return "--:--"
    minutes, seconds = divmod(round(now.eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"
