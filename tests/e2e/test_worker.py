"""The worker pod while it works: what it may do, what it tells (spec 3.4, 3.8, literal-texts 1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, namespaces, webserver
from tests.e2e.installation import Installation
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase, phases

IMAGE = "medium.raw"
"""Long enough for both workers to be there at once, also when one of them starts late."""
FLOWS = {"through-a-hidden-claim": "csi", "onto-the-claim": "local"}
# Run in the pod by `kubectl exec`: who am I, what may I do, was I given credentials.
WHOAMI = """
import os
effective = next(line.split()[1] for line in open("/proc/1/status") if line.startswith("CapEff"))
print(os.getuid(), int(effective, 16), os.path.exists("/var/run/secrets/kubernetes.io"))
"""


@dataclass(frozen=True)
class AtWork:
    kubectl: Kubectl
    volumes: Watch
    pods: Mapping[str, Object]
    """The worker's pod by flow, as it was while it ran."""
    whoami: Mapping[str, str]


@pytest.fixture(scope="module")
def at_work(shared_namespace: Kubectl, server: WebServer) -> Iterator[AtWork]:
    """Two imports, slow enough to be looked at while they run."""
    kubectl = shared_namespace
    asked = {name: _manifest(name, kind, server) for name, kind in FLOWS.items()}
    with Watch(kubectl, "datavolumes") as volumes, Watch(kubectl, "pods") as pods:
        kubectl.apply(*asked.values())
        pods.until(lambda now: len(now) == len(FLOWS) and all(map(_runs, now.values())), "the workers run")
        running = {flow: next(pod for pod in pods.now.values() if _works_for(pod, flow)) for flow in FLOWS}
        ask = ("--", "/usr/bin/python3", "-c", WHOAMI)
        whoami = {flow: kubectl("exec", _name(pod), *ask) for flow, pod in running.items()}
        yield AtWork(kubectl, volumes, running, whoami)


def _manifest(name: str, storage_class: str, server: WebServer) -> Object:
    asked = manifests.claim_spec("80Mi", storage_class=storage_class, access_mode="ReadWriteOnce", mode="Filesystem")
    labels = {"team": "red"}
    volume = manifests.data_volume(name, source=manifests.http(server.url(IMAGE, webserver.SLOW)), storage=asked)
    return {**volume, "metadata": {**volume["metadata"], "labels": labels}}


def _runs(pod: Object) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _works_for(pod: Object, flow: str) -> bool:
    """On the class without CSI the pod is called after the claim, otherwise after the hidden claim."""
    return (_name(pod) == f"importer-{flow}") == (FLOWS[flow] == "local")


each = pytest.mark.parametrize("flow", FLOWS)


@each
def test_is_restricted(flow: str, at_work: AtWork) -> None:
    """No right beyond its volume: user 107, no capability, no credentials of the cluster."""
    assert at_work.whoami[flow].split() == ["107", "0", "False"]
    pod: Any = at_work.pods[flow]
    container = pod["spec"]["containers"][0]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not any("projected" in volume for volume in pod["spec"]["volumes"])
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert pod["spec"]["securityContext"]["runAsUser"] == 107


@each
def test_is_what_clients_know(flow: str, at_work: AtWork) -> None:
    """Spec 3.2 to 3.4: labels that services select by, the container's name and port, what happens at its end."""
    pod: Any = at_work.pods[flow]
    labels = pod["metadata"]["labels"]
    wanted = {
        "app": "containerized-data-importer",
        "cdi.kubevirt.io": "importer",
        "prometheus.cdi.kubevirt.io": "true",
        "team": "red",
    }
    assert {key: labels.get(key) for key in wanted} == wanted
    container = pod["spec"]["containers"][0]
    assert (container["name"], container["terminationMessagePolicy"]) == ("importer", "FallbackToLogsOnError")
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("metrics", 8443)]
    assert (pod["spec"]["restartPolicy"], pod["spec"]["enableServiceLinks"]) == ("OnFailure", False)
    assert pod["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


@each
def test_tells_how_far_it_is(
    flow: str, at_work: AtWork, installation: Installation, images: Mapping[str, Image]
) -> None:
    volumes = at_work.volumes
    volumes.until(lambda now: phase(now, flow) == "Succeeded", "the slow import ends", 120)
    history = volumes.history(flow)
    assert {"ImportInProgress", "Succeeded"} <= set(phases(history))
    told = [obj["status"].get("progress", "") for obj in history if "status" in obj]
    between = [text for text in told if re.fullmatch(r"([1-9]{1,2})(\.\d+)?%", text)]
    assert between, f"no progress was told: {told}"
    numbers = [float(text.rstrip("%")) for text in told if text.endswith("%")]
    assert numbers == sorted(numbers)
    assert told[-1] == "100.0%"
    running = [condition for obj in history for condition in (obj.get("status") or {}).get("conditions", ())]
    assert ("True", "Pod is running") in [(c["status"], c.get("reason")) for c in running if c["type"] == "Running"]
    assert ("False", "TransferRunning") in [(c["status"], c.get("reason")) for c in running if c["type"] == "Ready"]
    image = images[IMAGE]
    wanted = disks.Expected(flow, "Filesystem", image.virtual_bytes)
    assert disks.read(at_work.kubectl, installation.python_image, [wanted])[flow].sha256 == image.sha256


def test_leaves_no_trace_of_kopf(at_work: AtWork, installation: Installation) -> None:
    """kopf marks what it handles with annotations and finalizers by default; nobody may see which library we use."""
    assert "kopf" not in namespaces.dumped(installation.kubectl)
