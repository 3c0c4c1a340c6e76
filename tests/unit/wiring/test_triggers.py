"""Which change wakes which key, on a small cluster: a DataVolume whose import is under way."""

from __future__ import annotations

from typing import Any

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.cluster.informer import FOLLOWED
from cdi_operator.flows.actions import Object
from cdi_operator.wiring.flows import FLOWS
from cdi_operator.wiring.triggers import TRIGGERS, at_start, woken_by
from cdi_operator.wiring.watches import CONFIGURATION
from tests.unit.world import World


def owned(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "uid": uid, "controller": True}]}


def obj(
    kind: str, name: str, namespace: str = "ns", meta: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"kind": kind, "metadata": {"name": name, **place, **(meta or {})}, **fields}


SOURCE_REF = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "src"}
IMPORTS = {"annotations": {names.ENDPOINT: "http://example.com/disk.img"}}

DATA_VOLUME = obj("DataVolume", "vm", meta={"uid": "dv"}, status={"phase": "ImportInProgress"})
WAITING = obj("DataVolume", "waiting", meta={"uid": "dv-2"})
TARGET = obj(
    "PersistentVolumeClaim",
    "vm",
    meta={"uid": "t", **owned("DataVolume", "vm", "dv")},
    spec={"dataSourceRef": SOURCE_REF, "storageClassName": "fast"},
)
PRIME = obj(
    "PersistentVolumeClaim",
    "prime-t",
    meta={"uid": "p", **owned("PersistentVolumeClaim", "vm", "t"), **IMPORTS},
    spec={"storageClassName": "fast", "volumeName": "pv-1"},
)
BARE = obj("PersistentVolumeClaim", "bare", meta={"uid": "b", **IMPORTS}, spec={"storageClassName": "slow"})
CLASS = obj("StorageClass", "fast", "", provisioner="csi.example.com")
MANUAL = obj("StorageClass", "manual", "", provisioner="kubernetes.io/no-provisioner")

OF_INSTALLATION = obj("ConfigMap", "kube-root-ca.crt", "cdi")

WORLD = (DATA_VOLUME, WAITING, TARGET, PRIME, BARE, CLASS, MANUAL, OF_INSTALLATION)


def worker(claim: str, uid: str) -> dict[str, Any]:
    return obj("Pod", f"importer-{claim}", meta=owned("PersistentVolumeClaim", claim, uid), spec={"containers": []})


def about(claim: str) -> dict[str, Any]:
    involved = {"kind": "PersistentVolumeClaim", "name": claim, "namespace": "ns"}
    return obj("Event", f"{claim}.1", involvedObject=involved)


def volume(class_name: str, claim: str = "") -> dict[str, Any]:
    reference = {"claimRef": {"namespace": "ns", "name": claim}} if claim else {}
    phase = "Bound" if claim else "Available"
    spec = {"storageClassName": class_name, **reference}
    return obj("PersistentVolume", "pv-1", "", spec=spec, status={"phase": phase})


ALL_CLASSES = ["storageprofile /fast", "storageprofile /manual"]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (DATA_VOLUME, ["datavolume ns/vm"]),
        (
            obj("DataVolume", "vm", meta={"uid": "dv"}, spec={"checkpoints": [{"previous": "", "current": "one"}]}),
            ["datavolume ns/vm", "importer ns/vm"],
        ),
        (TARGET, ["datavolume ns/vm", "populate ns/vm"]),
        (PRIME, ["datavolume ns/vm", "importer ns/prime-t", "populate ns/vm"]),
        (BARE, ["importer ns/bare"]),
        # a stranger's claim has the name of a DataVolume
        (obj("PersistentVolumeClaim", "waiting", spec={}), ["datavolume ns/waiting"]),
        # a claim that somebody else populated for a DataVolume
        (
            obj("PersistentVolumeClaim", "x", meta={"annotations": {names.POPULATED_FOR: "vm"}}, spec={}),
            ["datavolume ns/vm"],
        ),
        (obj("PersistentVolumeClaim", "strange", spec={}), []),
        (worker("prime-t", "p"), ["datavolume ns/vm", "importer ns/prime-t", "populate ns/vm"]),
        (worker("bare", "b"), ["importer ns/bare"]),
        (worker("gone", "g"), ["importer ns/gone"]),
        (obj("Pod", "strange", spec={"containers": []}), []),
        (volume("fast", "prime-t"), ["datavolume ns/vm", "populate ns/vm"]),
        (volume("fast"), ["datavolume ns/waiting"]),
        (volume("manual"), ["datavolume ns/waiting", "storageprofile /manual"]),
        (about("prime-t"), ["datavolume ns/vm", "populate ns/vm"]),
        (about("vm"), ["datavolume ns/vm", "populate ns/vm"]),
        (about("gone"), []),
        (
            obj("VolumeImportSource", "src", meta=owned("DataVolume", "vm", "dv")),
            ["datavolume ns/vm", "importer ns/prime-t", "populate ns/vm"],
        ),
        (obj("VolumeImportSource", "unused"), []),
        (
            obj("ConfigMap", "proxy-ca", "cdi"),
            ["certificates cdi/cdi-api", "config /config", "importer ns/bare", "importer ns/prime-t"],
        ),
        (obj("Secret", "cdi-apiserver-signer", "cdi"), ["certificates cdi/cdi-api", "config /config"]),
        (obj("ValidatingWebhookConfiguration", "cdi-api-validate", ""), ["certificates cdi/cdi-api"]),
        (obj("MutatingWebhookConfiguration", "cdi-api-pvc-mutate", ""), ["certificates cdi/cdi-api"]),
        (CLASS, ["config /config", "datavolume ns/waiting", "populate ns/vm", "storageprofile /fast"]),
        (obj("StorageProfile", "fast", ""), ["datavolume ns/waiting", "storageprofile /fast"]),
        (obj("CSIDriver", "csi.example.com", ""), ["datavolume ns/waiting", *ALL_CLASSES]),
        (obj("VolumeSnapshotClass", "snap", ""), ALL_CLASSES),
        *((obj(kind, "any"), ["config /config"]) for kind in ("Ingress", "Route", "Proxy")),
        (obj("CDIConfig", "config", ""), ["config /config", "datavolume ns/waiting"]),
        (obj("CDI", "cdi", ""), ["certificates cdi/cdi-api", "config /config", *ALL_CLASSES]),
    ],
)
def test_woken(changed: Object, wanted: list[str]) -> None:
    woken = {f"{flow} {namespace}/{name}" for flow, (namespace, name) in woken_by(changed, World(*WORLD))}
    assert sorted(woken) == wanted


def test_every_kind_that_is_followed_wakes_somebody() -> None:
    assert set(TRIGGERS) == {*FOLLOWED, *CONFIGURATION}


def test_every_row_names_a_flow_that_runs() -> None:
    named = {flow for row in TRIGGERS.values() for flow, _ in row} | {flow for flow, _ in at_start("cdi")}
    assert named == {flow.name for flow in FLOWS}
