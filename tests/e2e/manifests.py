"""The manifests that the tests apply: what a user writes, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devcluster.kubectl import Object

CDI = "cdi.kubevirt.io/v1beta1"


def data_volume(name: str, *, source: Object, annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """`spec`: `pvc` or `storage`, and whatever else."""
    return {
        "apiVersion": CDI,
        "kind": "DataVolume",
        "metadata": {"name": name, **({"annotations": dict(annotations)} if annotations else {})},
        "spec": {"source": source, **spec},
    }


def http(url: str, **more: Any) -> Object:
    return {"http": {"url": url, **more}}


def claim_spec(size: str, *, mode: str = "", storage_class: str = "", access_mode: str = "", **more: Any) -> Object:
    """The fields that `spec.pvc`, `spec.storage` and the spec of a claim have in common; empty ones are left out."""
    return {
        **({"accessModes": [access_mode]} if access_mode else {}),
        **({"volumeMode": mode} if mode else {}),
        **({"storageClassName": storage_class} if storage_class else {}),
        "resources": {"requests": {"storage": size}},
        **more,
    }


def claim(name: str, spec: Object, annotations: Mapping[str, str] | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": spec,
    }


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def quota(name: str, **hard: str) -> Object:
    """Dots of a resource's name are written as underscores."""
    limits = {resource.replace("_", "."): value for resource, value in hard.items()}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": limits}}


def service(name: str, address: str, port: int, seen_as: int = 80) -> list[Object]:
    """A name in the cluster's DNS, with port `seen_as`, for a server that is somewhere else."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"name": "http", "port": seen_as, "targetPort": port}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        },
    ]


def pod(name: str, image: str, script: str, *args: str, claims: Mapping[str, str]) -> Object:
    """A pod that runs a Python script as user 107 (the one that importers and virtual machines run as).

    `claims`: claim -> volume mode; each is at /volumes/<claim>, a directory or a device.
    """
    files = [claim for claim, mode in claims.items() if mode == "Filesystem"]
    devices = [claim for claim, mode in claims.items() if mode == "Block"]
    number = {claim: f"v{n}" for n, claim in enumerate(claims)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 107,
                "runAsGroup": 107,
                "fsGroup": 107,
                # What the importer left is looked at, not put right.
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": ["/usr/bin/python3", "-c", script, *args],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": number[claim], "mountPath": f"/volumes/{claim}"} for claim in files],
                    "volumeDevices": [{"name": number[claim], "devicePath": f"/volumes/{claim}"} for claim in devices],
                }
            ],
            "volumes": [{"name": number[claim], "persistentVolumeClaim": {"claimName": claim}} for claim in claims],
        },
    }
