"""What is shown of an import: whatever its error says, and only figures that are known."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from demo.follow import Import
from demo.panel import figures, showing
from demo.stopwatch import STAGES, Run

WORKER = {
    "kubevirt_cdi_import_progress_total": 50.0,
    "kubevirt_cdi_import_source_bytes_total": 20e6,
    "kubevirt_cdi_import_source_size_bytes": 40e6,
    "kubevirt_cdi_import_speed_bytes_per_second": 10e6,
    "kubevirt_cdi_import_eta_seconds": 2.0,
}


def state(**seen):
    return Import(Run("debian", 0.0), **seen)


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (state(), "0.0 %"),
        (state(percent=12.34), "12.3 %"),
        (state(percent=12.34, worker=WORKER), "50.0 %, 20 of 40 MB, 10 MB/s, 2 s left"),
        (state(worker={"kubevirt_cdi_import_source_bytes_total": 5e6}), "0.0 %, 5 MB"),
        (state(phase="Succeeded", worker=WORKER), "100.0 %"),
    ],
)
def test_figures(seen, shown):
    assert figures(seen) == shown


@pytest.mark.parametrize("stages", range(len(STAGES) + 1))
def test_something_always_goes_on(stages):
    seen = state()
    for stage in STAGES[:stages]:
        seen.run.seen[stage] = 1.0
    assert seen.doing


@pytest.mark.parametrize("terminal", [True, False])
def test_trouble_is_shown_as_it_is(terminal):
    """Square brackets are rich's markup, and a closing tag without its opening is an error to it."""
    words = "Unable to connect to http data source: [/data] dial tcp [::1]:80"
    out = StringIO()
    with showing(Console(file=out, force_terminal=terminal, width=120, color_system=None)) as show:
        show(state(trouble=words))
    assert words in out.getvalue()
