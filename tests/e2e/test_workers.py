"""Where worker pods run, with what, under which names: as a CDI object and the DataVolume say (spec 1.5, 1.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests
from tests.e2e.installation import Installation
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, message, phase

pytestmark = pytest.mark.alone

IMAGE = "small.qcow2"
LABEL, IMPORTANT = "example.com/imports", "e2e-important"
TOLERATION = {"key": LABEL, "operator": "Exists", "effect": "NoSchedule"}
RESOURCES = {"limits": {"memory": "200M"}, "requests": {"cpu": "50m", "memory": "100M"}}
ANNOTATED = {
    "workerLabels": {"example.com/team": "storage"},
    "workerAnnotations": {"sidecar.istio.io/inject": "true"},
}


@contextmanager
def cdi(kubectl: Kubectl, spec: Mapping[str, Any]) -> Iterator[None]:
    """A CDI object decides while the block runs, and the chart again when it is over."""
    with Watch(kubectl, "cdiconfigs") as configs:
        configs.until(lambda now: complete(now.get("config", {})), "there are settings")
        before = configs.now["config"]
        kubectl.apply({"apiVersion": manifests.CDI, "kind": "CDI", "metadata": {"name": "cdi"}, "spec": spec})
        try:
            configs.until(lambda now: now["config"]["spec"] == spec["config"], "the CDI object decides")
            yield
        finally:
            kubectl.delete("cdi", "cdi")
            configs.until(lambda now: as_before(now.get("config", {}), before), "the chart decides again")


def complete(config: Object) -> bool:
    return bool(((config.get("status") or {}).get("filesystemOverhead") or {}).get("storageClass"))


def as_before(config: Object, before: Object) -> bool:
    other = bool(config) and config["metadata"]["uid"] != before["metadata"]["uid"]
    return other and complete(config) and config["spec"] == before["spec"]


@pytest.fixture
def important(installation: Installation) -> Iterator[None]:
    meta = {"name": IMPORTANT}
    installation.kubectl.apply(
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta, "value": 1000}
    )
    yield
    installation.kubectl.delete("priorityclass", IMPORTANT)


def test_workers_are_as_asked(
    important: None, namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """No node will do at first; that is told, and the import begins as soon as one does."""
    kubectl = installation.kubectl
    config = {
        "featureGates": ["HonorWaitForFirstConsumer"],
        "imagePullSecrets": [{"name": "none-such"}],
        "podResourceRequirements": RESOURCES,
    }
    workload = {"nodeSelector": {LABEL: "welcome"}, "tolerations": [TOLERATION]}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mover"}}
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    more: dict[str, Any] = {"storage": asked, "priorityClassName": IMPORTANT, "serviceAccountName": "mover"}
    volume = manifests.data_volume("placed", source=manifests.http(server.url(IMAGE)), **more)
    with cdi(kubectl, {"workload": workload, "config": config}):
        notes = (f"cdi.kubevirt.io/{name}={json.dumps(value)}" for name, value in ANNOTATED.items())
        kubectl("annotate", "cdiconfig", "config", *notes)
        with Watch(namespace, "pods") as pods, Watch(namespace, "datavolumes") as volumes:
            namespace.apply(account, volume)
            waits = "Importer pod cannot be scheduled"
            volumes.until(lambda now: waits in message(now.get("placed", {})), "no node will do")
            kubectl("label", "nodes", "--all", f"{LABEL}=welcome")
            try:
                volumes.until(lambda now: phase(now, "placed") == "Succeeded", "imported")
            finally:
                kubectl("label", "nodes", "--all", f"{LABEL}-")
            worker = pods.seen[0]
    spec, meta = worker["spec"], worker["metadata"]
    assert spec["nodeSelector"] == {LABEL: "welcome"}
    assert TOLERATION in spec["tolerations"]
    # What the settings leave open is as the defaults have it.
    assert spec["containers"][0]["resources"] == {**RESOURCES, "limits": {"cpu": "750m", **RESOURCES["limits"]}}
    assert spec["imagePullSecrets"] == [{"name": "none-such"}]
    assert (spec["priorityClassName"], spec["priority"], spec["serviceAccountName"]) == (IMPORTANT, 1000, "mover")
    assert not spec["automountServiceAccountToken"]
    assert meta["labels"].items() >= {**ANNOTATED["workerLabels"], "cdi.kubevirt.io/worker": "import"}.items()
    assert meta["annotations"].items() >= ANNOTATED["workerAnnotations"].items()
    wanted = disks.Expected("placed", "Filesystem", images[IMAGE].virtual_bytes)
    found = disks.read(namespace, installation.python_image, [wanted])
    assert found["placed"].sha256 == images[IMAGE].sha256
