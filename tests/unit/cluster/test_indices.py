"""Under what every object is filed."""

from __future__ import annotations

from typing import Any

import pytest

from cdi_operator.cluster.indices import INDICES

META = {"name": "obj", "namespace": "ns", "uid": "uid-1"}
OWNERS = [
    {"kind": "VirtualMachine", "name": "vm", "uid": "vm-uid"},
    {"kind": "DataVolume", "name": "dv", "uid": "dv-uid", "controller": True},
]


def source(**reference: Any) -> dict[str, Any]:
    return {"spec": {"dataSourceRef": {"kind": "VolumeImportSource", "name": "src", **reference}}}


@pytest.mark.parametrize(
    ("kind", "index", "fields", "wanted"),
    [
        ("PersistentVolumeClaim", "uid", {}, ("uid-1",)),
        ("Pod", "owner", {"metadata": {**META, "ownerReferences": OWNERS}}, ("dv-uid",)),
        ("Pod", "owner", {"metadata": {**META, "ownerReferences": OWNERS[:1]}}, ()),
        (
            "PersistentVolumeClaim",
            "data-source",
            source(apiGroup="cdi.kubevirt.io"),
            ("VolumeImportSource/ns/src",),
        ),
        (
            "PersistentVolumeClaim",
            "data-source",
            source(apiGroup="forklift.cdi.kubevirt.io", kind="OvirtVolumePopulator"),
            ("OvirtVolumePopulator/ns/src",),
        ),
        ("PersistentVolumeClaim", "data-source", source(apiGroup="snapshot.storage.k8s.io"), ()),
        ("PersistentVolumeClaim", "data-source", source(apiGroup="cdi.kubevirt.io", namespace="other"), ()),
        ("PersistentVolumeClaim", "data-source", {"spec": {}}, ()),
        ("PersistentVolume", "claim", {"spec": {"claimRef": {"namespace": "ns", "name": "disk"}}}, ("ns/disk",)),
        ("PersistentVolume", "claim", {"spec": {}}, ()),
        (
            "PersistentVolume",
            "class",
            {"spec": {"storageClassName": "hdd"}, "status": {"phase": "Available"}},
            ("hdd",),
        ),
        ("PersistentVolume", "class", {"spec": {}, "status": {"phase": "Available"}}, ("",)),
        ("PersistentVolume", "class", {"spec": {"storageClassName": "hdd"}, "status": {"phase": "Bound"}}, ()),
        ("DataVolume", "phase", {}, ("",)),
        ("DataVolume", "phase", {"status": {"phase": "Pending"}}, ("Pending",)),
        (
            "Event",
            "involved",
            {"involvedObject": {"uid": "claim-uid", "namespace": "ns", "name": "disk"}},
            ("claim-uid",),
        ),
    ],
)
def test_index(kind: str, index: str, fields: dict[str, Any], wanted: tuple[str, ...]) -> None:
    assert INDICES[kind][index]({"kind": kind, "metadata": META, **fields}) == wanted
