"""Objects that the tests make, as plain as the API server takes them."""

from __future__ import annotations

from typing import Any

from cdi_operator.cluster.client import Client

CLAIM = "PersistentVolumeClaim"
DRIVER = "csi.tests.example.com"


def claim(namespace: str, name: str = "disk", **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def data_volume(namespace: str, name: str = "vm-disk") -> dict[str, Any]:
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "source": {"http": {"url": "http://example.com/disk.img"}},
            "pvc": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    }


def storage_class(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": DRIVER,
    }


def volume_on(namespace: str, class_name: str, name: str = "vm-disk") -> dict[str, Any]:
    wanted = data_volume(namespace, name)
    wanted["spec"]["pvc"]["storageClassName"] = class_name
    return wanted


def csi_driver() -> dict[str, Any]:
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER}, "spec": {}}


async def has_hidden_claim(client: Client, namespace: str, name: str) -> bool:
    """The DataVolume has come as far as it can without a provisioner: its hidden claim waits for a volume."""
    target = await client.get(CLAIM, name, namespace)
    return target is not None and await client.get(CLAIM, f"prime-{target['metadata']['uid']}", namespace) is not None
