"""A cluster's nodes without machines: kwok says what a hundred kubelets would say, and the real scheduler places pods.

What makes a worker a worker is what its pod answers in the end, so that is given to kwok as the last stage of its life.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from devcluster import binaries
from importer_image.job import IMPORT_COMPLETE, Report
from tests.api.apiserver import ControlPlane

COUNT = 100
LEASE_S = 40
"""Each node renews its lease four times in that time, as kubelets do."""
ARCHITECTURE = "amd64"

CONTAINERS = """
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", restartCount: 0, %s}
{{ end }}
"""
RUNNING = "phase: Running\npodIP: 127.0.0.1\n" + CONTAINERS % 'ready: true, state: {running: {startedAt: "{{ Now }}"}}'
SUCCEEDED = "phase: Succeeded\n" + CONTAINERS % (
    'ready: false, state: {terminated: {exitCode: 0, startedAt: "{{ Now }}", finishedAt: "{{ Now }}", message: %s}}'
)


def name_of(number: int) -> str:
    return f"node-{number % COUNT}"


@contextmanager
def nodes(plane: ControlPlane) -> Iterator[None]:
    """Pods are scheduled and run while the block runs, and workers end well."""
    stages = plane.directory / "kwok.yaml"
    stages.write_text(yaml.safe_dump_all(lives()))
    kubeconfig = f"--kubeconfig={plane.kubeconfig}"
    programs = (
        ("kwok", binaries.peer("kwok"), f"--config={stages}", f"--node-lease-duration-seconds={LEASE_S}", "--v=WARN"),
        ("kube-scheduler", binaries.ensure() / "bin" / "kube-scheduler", "--leader-elect=false", "--secure-port=0"),
    )
    plane.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": machines()}))
    # The API server makes every node wait for a controller that finds it ready; there is none here.
    plane.kubectl("taint", "nodes", "--all", "node.kubernetes.io/not-ready:NoSchedule-")
    started = []
    try:
        for name, program, *flags in programs:
            started.append(begin(plane.directory / f"{name}.log", program, kubeconfig, *flags))
        plane.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s")
        yield
        assert not [each.args for each in started if each.poll() is not None], f"see the logs in {plane.directory}"
    finally:
        for process in started:
            process.terminate()
            process.wait()


def begin(log: Path, program: Path, *flags: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        environment = {**os.environ, "GOGC": "400"}
        return subprocess.Popen([program, *flags], stdout=file, stderr=file, env=environment)


def machines() -> list[dict[str, Any]]:
    labels = {"kubernetes.io/arch": ARCHITECTURE, "kubernetes.io/os": "linux"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {**labels, "kubernetes.io/hostname": name}},
        }
        for name in map(name_of, range(COUNT))
    ]


def lives() -> list[dict[str, Any]]:
    """What kwok shall do to pods that have a node, and to all nodes."""
    report = json.dumps(Report(message=IMPORT_COMPLETE, virtual_size_bytes=1 << 30).to_json())
    stays, goes = ((".metadata.deletionTimestamp", operator) for operator in ("DoesNotExist", "Exists"))
    phase = (".status.phase", "In")
    return [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "options": {"manageAllNodes": True},
        },
        stage("runs", {"statusTemplate": RUNNING}, stays, (*phase, "Pending")),
        stage(
            "worker-ends",
            {"statusTemplate": SUCCEEDED % report},
            stays,
            (*phase, "Running"),
            ('.metadata.labels["app"]', "In", "containerized-data-importer"),
        ),
        stage("goes", {"delete": True, "finalizers": {"empty": True}}, goes),
    ]


def stage(name: str, then: dict[str, Any], *conditions: tuple[str, ...]) -> dict[str, Any]:
    """A pod of which all `conditions` (path, operator, values) hold comes to `then`."""
    matches = [
        {"key": path, "operator": operator, **({"values": list(values)} if values else {})}
        for path, operator, *values in conditions
    ]
    spec = {"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "selector": {"matchExpressions": matches}, "next": then}
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": f"pod-{name}"}, "spec": spec}
