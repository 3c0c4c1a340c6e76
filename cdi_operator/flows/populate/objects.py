"""The hidden claim of a population: complete from the start, since its provisioner writes it too (spec 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.seen import Claim, owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.sources import import_annotations
from cdi_operator.flows.stages import listed, notes
from cdi_operator.storage.names import prime_name

COPIED = (
    names.SELECTED_NODE,
    names.POD_RETAIN,
    names.PRIORITY_CLASS,
    names.SERVICE_ACCOUNT,
    names.MULTUS_NETWORKS,
    names.MULTUS_DEFAULT_NETWORK,
    names.ISTIO_INJECT,
    names.LINKERD_INJECT,
    names.VDDK_INIT_IMAGE_URL,
    names.VDDK_EXTRA_ARGS,
)
"""Annotations of the target that its worker pod depends on."""


def prime_claim(target: Claim, source: Mapping[str, Any], preallocate: bool, settings: Settings) -> dict[str, Any]:
    """`preallocate` counts where the source does not say."""
    spec = {
        "accessModes": target.spec["accessModes"],
        "resources": target.spec["resources"],
        "storageClassName": target.storage_class,
        "volumeMode": target.spec.get("volumeMode", "Filesystem"),
    }
    asked = source.get("preallocation")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": prime_name(target.ref.uid),
            "namespace": target.ref.namespace,
            "labels": {**settings.labels, names.APP: names.APP_NAME, names.EXCLUDE_FROM_BACKUP: "true"},
            "annotations": {
                **{key: target.annotations[key] for key in COPIED if key in target.annotations},
                names.IMMEDIATE_BIND: "",
                names.POPULATOR_KIND: "VolumeImportSource",
                names.CONTENT_TYPE: source.get("contentType") or "kubevirt",
                names.PREALLOCATION_REQUESTED: "true" if (preallocate if asked is None else asked) else "false",
                **import_annotations(source.get("source") or {}),
                **notes(next(iter(listed(source)), None)),
            },
            "ownerReferences": [owner_reference(target.ref)],
        },
        "spec": spec,
    }
