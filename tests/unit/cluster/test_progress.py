"""Where a worker is asked for its progress, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest

from cdi_operator.cluster.progress import CALM_S, metrics_url, reading_in, worth_telling
from cdi_operator.flows.transfer import Reading, Transfer


def pod(phase: str = "Running", ip: str = "10.0.0.7", port: str = "metrics") -> dict[str, Any]:
    container = {"name": "importer", "ports": [{"name": port, "containerPort": 8443}]}
    return {"spec": {"containers": [{"name": "sidecar"}, container]}, "status": {"phase": phase, "podIP": ip}}


@pytest.mark.parametrize(
    ("seen", "url"),
    [
        (pod(), "https://10.0.0.7:8443/metrics"),
        (pod(ip="fd00::7"), "https://[fd00::7]:8443/metrics"),
        (pod(phase="Pending"), ""),
        (pod(phase="Succeeded"), ""),
        (pod(ip=""), ""),
        (pod(port="http"), ""),
        ({"spec": {"containers": []}}, ""),
    ],
)
def test_where_a_worker_answers(seen: dict[str, Any], url: str) -> None:
    assert metrics_url(seen) == url


@pytest.mark.parametrize(
    ("answer", "percent"),
    [
        ('kubevirt_cdi_import_progress_total{ownerUID="a-b"} 42', 42.0),
        ('# HELP x\nkubevirt_cdi_import_progress_total{ownerUID="a"} 13.45\nother 7\n', 13.45),
        ('kubevirt_cdi_clone_progress_total{ownerUID="a"} 100\n', 100.0),
        ('kubevirt_cdi_import_progress_total{ownerUID="a"} 101.5\n', 100.0),
        ('kubevirt_cdi_import_progress_total{ownerUID="a"} 1e+02\n', None),
        ('kubevirt_cdi_import_progress_total{ownerUID="a"} -3\n', None),
        ("kubevirt_cdi_import_progress_total 42", None),
        ("", None),
    ],
)
def test_percent_in_an_answer(answer: str, percent: float | None) -> None:
    found = reading_in(answer.encode())
    assert (found and found.percent) == percent


FULL = """\
# HELP kubevirt_cdi_import_progress_total The import progress in percentage
kubevirt_cdi_import_progress_total{ownerUID="a"} 30
kubevirt_cdi_import_source_bytes_total{ownerUID="a"} 20000000000
kubevirt_cdi_import_source_size_bytes{ownerUID="a"} 100000000000
kubevirt_cdi_import_resumed_bytes{ownerUID="a"} 10000000000
kubevirt_cdi_import_written_bytes_total{ownerUID="a"} 5000000
kubevirt_cdi_import_virtual_size_bytes{ownerUID="a"} 200000000000
kubevirt_cdi_import_speed_bytes_per_second{ownerUID="a"} 70000000
kubevirt_cdi_import_average_speed_bytes_per_second{ownerUID="a"} 50000000
kubevirt_cdi_import_eta_seconds{ownerUID="a"} 1000.5
kubevirt_cdi_import_info{ownerUID="a",stage="transfer",format="qcow2"} 1
"""


def test_everything_that_a_worker_tells() -> None:
    assert reading_in(FULL.encode()) == Reading(
        30.0,
        Transfer(
            stage="transfer",
            format="qcow2",
            source_bytes=30_000_000_000,
            total_bytes=100_000_000_000,
            written_bytes=5_000_000,
            virtual_size_bytes=200_000_000_000,
            resumed_bytes=10_000_000_000,
            speed_bytes_per_second=70_000_000,
            average_speed_bytes_per_second=50_000_000,
            eta_seconds=1000,
        ),
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        # a size that nobody knows, and what no importer of ours says
        ('kubevirt_cdi_import_info{ownerUID="a",stage="connect",format=""} 1', Reading(None, Transfer("connect"))),
        ('kubevirt_cdi_import_info{ownerUID="a",stage="<b>",format="raw.gz"} 1', Reading(None, Transfer("", "raw.gz"))),
        (f'kubevirt_cdi_import_info{{ownerUID="a",stage="{"x" * 41}"}} 1', Reading(None)),
        ('kubevirt_cdi_import_source_bytes_total{ownerUID="a"} 7', None),
    ],
)
def test_little_that_a_worker_tells(line: str, told: Reading | None) -> None:
    assert reading_in(f"{line}\n".encode()) == told


def at(percent: float | None, **more: Any) -> Reading:
    return Reading(percent, Transfer(**{"stage": "transfer", "format": "raw", "total_bytes": 100, **more}))


@pytest.mark.parametrize(
    ("before", "now", "passed_s", "told"),
    [
        (at(10), at(11), 2, True),
        (at(10), at(10.9), 2, False),
        (at(10), at(10.9), CALM_S, True),
        (at(10), at(10), CALM_S, False),
        (at(None), at(None, source_bytes=5), 2, False),
        (at(None), at(None, source_bytes=5), CALM_S, True),
        (at(10), at(10, stage="sync"), 2, True),
        (at(10, format=""), at(10), 2, True),
        # another worker, which begins again
        (at(60), at(3), 2, True),
    ],
)
def test_what_is_worth_a_write(before: Reading, now: Reading, passed_s: float, told: bool) -> None:
    assert worth_telling(before, now, passed_s) == told
