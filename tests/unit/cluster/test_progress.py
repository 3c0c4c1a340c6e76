"""Where a worker is asked for its progress, and what its answer means."""

from __future__ import annotations

from typing import Any

import pytest

from cdi_operator.cluster.progress import metrics_url, percent_in


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
    assert percent_in(answer.encode()) == percent
