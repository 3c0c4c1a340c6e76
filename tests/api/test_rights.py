"""What the controller is allowed, against what it does: the API server's audit log of a life with everything in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.kinds import KINDS
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.wiring.lease import NAME
from devcluster import binaries
from tests.api.apiserver import TOKEN, ControlPlane
from tests.api.cluster import living
from tests.api.conftest import CRDS, eventually
from tests.api.controller import ControllerProcess
from tests.api.objects import CLAIM, csi_driver, storage_class, volume_on
from tests.api.test_wiring import rendered

NAMESPACE, USERS = "cdi", "users"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:cdi-sa"
PATIENCE_S = 120.0
Right = tuple[str, str, str]
"""API group, resource with its subresource, verb. Who may list may get and watch: `read` stands for all three."""
READS = frozenset({"get", "list", "watch"})
CDI = "cdi.kubevirt.io"
ENFORCED = "asked for by API servers that check who may block an owner's deletion, as OpenShift's do"

NOT_CALLED: Mapping[Right, str] = {
    (CDI, "datavolumes/finalizers", "update"): ENFORCED,
    (CDI, "cdis/finalizers", "update"): ENFORCED,
    ("", "persistentvolumeclaims/finalizers", "update"): ENFORCED,
    (CDI, "volumeimportsources", "patch"): "the next checkpoint of a migration in stages, and this one has none",
    **{
        (
            "admissionregistration.k8s.io",
            f"{kind}webhookconfigurations",
            "patch",
        ): "there are none here: see test_admission"
        for kind in ("mutating", "validating")
    },
    ("", "secrets", "create"): "wanted besides patch, to apply what is not there yet",
    ("", "events", "patch"): "counts repetitions, which come minutes apart: see test_events",
    ("", "pods", "patch"): "wakes a kubelet that has put a pod aside: see flows.importer.nudge",
}
"""Granted, and with a reason not to be seen in the log of this test."""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server that writes down who asked for what, with our kinds, snapshots and OpenShift's kinds."""
    plane = ControlPlane(tmp_path_factory.mktemp("audited"), audited=True)
    try:
        plane.start()
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        snapshots = binaries.directory() / "crds" / "snapshot.storage.k8s.io_volumesnapshotclasses.yaml"
        plane.kubectl("apply", "--server-side", "-f", str(snapshots))
        for kind in ("Infrastructure", "ImageStream", "Proxy", "Route"):
            plane.kubectl("apply", "-f", "-", stdin=json.dumps(definition(kind)))
        plane.kubectl("wait", "--for=condition=established", "--timeout=60s", "crd", "--all")
        for namespace in (NAMESPACE, USERS):
            plane.kubectl("create", "namespace", namespace)
        plane.kubectl("apply", "-f", "-", stdin=rendered("templates/rbac.yaml", NAMESPACE))
        yield plane
    finally:
        plane.stop()


def definition(name: str) -> dict[str, Any]:
    """Of a kind whose fields are not looked at."""
    kind = KINDS[name]
    version = {
        "name": kind.api_version.rpartition("/")[2],
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {"kind": name, "plural": kind.plural, "singular": name.lower()},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


@pytest.fixture
async def admin(audited: ControlPlane) -> AsyncIterator[Client]:
    async with Client(await Access.load(str(audited.kubeconfig))) as client:
        yield client


@pytest.fixture
def controller(audited: ControlPlane, tmp_path: Path) -> Iterator[ControllerProcess]:
    """As the account that the chart makes."""
    token = audited.kubectl("create", "token", "cdi-sa", "-n", NAMESPACE).strip()
    account = tmp_path / "kubeconfig"
    account.write_text(audited.kubeconfig.read_text().replace(TOKEN, token))
    started = ControllerProcess(str(account), NAMESPACE, tmp_path, "least")
    yield started
    started.end()


async def test_every_right_is_used_and_no_other_is_missed(
    audited: ControlPlane, admin: Client, controller: ControllerProcess
) -> None:
    await live(admin, controller)
    entries = list(audited.audit_log())
    mine = [entry for entry in entries if entry["user"]["username"] == ACCOUNT and "objectRef" in entry]
    assert mine, "the log is empty"
    refused = {
        (right(entry), entry["requestURI"]) for entry in mine if entry.get("responseStatus", {}).get("code") == 403
    }
    assert refused == set()
    called = {right(entry) for entry in mine}
    granted = set(rights(yaml.safe_load_all(rendered("templates/rbac.yaml", NAMESPACE))))
    assert called <= granted
    assert granted - called == set(NOT_CALLED)


async def live(admin: Client, controller: ControllerProcess) -> None:
    """Installed with a CDI object behind a proxy, an import of an image that OpenShift has a name for, from beginning
    to end, a class that comes and goes.
    """
    await admin.apply(csi_driver())
    for name in ("stays", "goes"):
        await admin.apply(storage_class(name))
    proxy = {"spec": {"trustedCA": {"name": "theirs"}}, "status": {"httpProxy": "http://proxy.example.com"}}
    await admin.create(
        {"apiVersion": "config.openshift.io/v1", "kind": "Proxy", "metadata": {"name": "cluster"}, **proxy}
    )
    await eventually(lambda: exists(admin, "ConfigMap", "cdi-proxy-authorities", NAMESPACE), PATIENCE_S)
    authorities = Ref("v1", "ConfigMap", "cdi-proxy-authorities", NAMESPACE)
    await admin.patch(authorities, {"data": {"ca-bundle.crt": "-----BEGIN CERTIFICATE-----"}})
    await eventually(lambda: exists(admin, "StorageProfile", "goes"), PATIENCE_S)
    await admin.create({"apiVersion": f"{CDI}/v1beta1", "kind": "CDI", "metadata": {"name": "cdi"}, "spec": {}})
    await admin.delete(Ref("storage.k8s.io/v1", "StorageClass", "goes"))
    await admin.create(image_stream("fedora"))
    async with living(admin, USERS):
        await admin.create(from_image_stream("fedora"))
        await eventually(lambda: succeeded(admin), PATIENCE_S)
        await eventually(lambda: cleaned_up(admin), PATIENCE_S)
    controller.metrics()
    await eventually(lambda: renewed(admin), PATIENCE_S)


def image_stream(name: str) -> Object:
    tags = [{"tag": "latest", "items": [{"dockerImageReference": "registry.example.com/fedora@sha256:1"}]}]
    meta = {"name": name, "namespace": USERS}
    return {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": meta, "status": {"tags": tags}}


def from_image_stream(name: str) -> Object:
    made = volume_on(USERS, "stays")
    source = {"registry": {"imageStream": name, "pullMethod": "node"}}
    return {**made, "spec": {**made["spec"], "source": source}}


async def renewed(client: Client) -> bool:
    lease = await client.get("Lease", NAME, NAMESPACE) or {}
    return bool(lease["spec"]["renewTime"] != lease["spec"]["acquireTime"])


async def exists(client: Client, kind: str, name: str, namespace: str = "") -> bool:
    return await client.get(kind, name, namespace) is not None


async def succeeded(client: Client) -> bool:
    found = await client.get("DataVolume", "vm-disk", USERS) or {}
    return bool((found.get("status") or {}).get("phase") == "Succeeded")


async def cleaned_up(client: Client) -> bool:
    claims = [claim async for page, _ in client.list(CLAIM, namespace=USERS) for claim in page]
    hidden = [claim for claim in claims if claim["metadata"]["name"] != "vm-disk"]
    gone = not await exists(client, "StorageProfile", "goes")
    return gone and all("deletionTimestamp" in claim["metadata"] for claim in hidden)


def right(entry: Object) -> Right:
    """That a request needs."""
    about, verb = entry["objectRef"], entry["verb"]
    resource = "/".join(part for part in (about["resource"], about.get("subresource", "")) if part)
    return about.get("apiGroup", ""), resource, "read" if verb in READS else verb


def rights(documents: Iterable[Any]) -> Iterator[Right]:
    for document in documents:
        for rule in document.get("rules") or ():
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        yield group, resource, "read" if verb in READS else verb
