"""Jobs in few words, carried out by the real pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from importer_image.job import Job, Kind, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress


def job(
    url: str,
    out: Path,
    *,
    kind: Kind = "http",
    target: Mapping[str, Any] | None = None,
    connections: int = 4,
    **source: Any,
) -> Job:
    settings = {"path": str(out.parent), "volume_mode": "Filesystem", "size_bytes": 0, "file": out.name}
    return Job(Source(kind, url, **source), Target(**{**settings, **(target or {})}), connections=connections)


def imported(
    url: str,
    out: Path,
    *,
    environment: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Report:
    return run(job(url, out, **settings), progress or Progress(), environment or {})


def onto_device(url: str, device: str, *, preallocate: bool = False, **source: Any) -> Report:
    target = Target(device, "Block", 0, preallocate=preallocate)
    return run(Job(Source("http", url, **source), target), Progress(), {})


def refused(url: str, out: Path, words: str) -> Report:
    """An import that ends in one line with these words, and leaves nothing."""
    report = imported(url, out)
    assert report.error == "permanent"
    assert words in report.message
    assert report.message.startswith("Unable to process data: ")
    assert report.message.isprintable()
    assert report.hint
    assert list(out.parent.iterdir()) == []
    return report
