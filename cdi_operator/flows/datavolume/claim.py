"""The claim that a DataVolume asks for, and the source that fills it.

`spec.pvc` is taken literally. `spec.storage` says what the user needs; class, modes and room for the filesystem are
found from the storage class's profile (spec 4.7), here or by the webhook, as the user's label says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.datavolume.existing import reserved_volumes
from cdi_operator.flows.datavolume.state import State
from cdi_operator.flows.rendering import class_name, rendered
from cdi_operator.flows.seen import owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.sources import import_annotations
from cdi_operator.flows.stages import LIST, listed, notes
from cdi_operator.storage.names import import_source_name

FROM_STORAGE_PROFILE = "FromStorageProfile"
"""A volume mode that no storage has: the webhook puts the right one in its place before anybody looks (spec 4.8)."""


def claim_spec(state: State) -> dict[str, Any]:
    """The spec of the claim; `InvalidClaimError` when the DataVolume does not say enough, or something impossible."""
    spec = state.volume.spec
    if spec.get("pvc") is not None:
        literal = dict(spec["pvc"])
        literal.setdefault("volumeMode", "Filesystem")
        return literal
    asked = dict(spec.get("storage") or {})
    if state.rendered_by_webhook:
        return for_the_webhook(asked, state)
    return rendered(asked, state.volume.content_type, state.offer)


def for_the_webhook(asked: dict[str, Any], state: State) -> dict[str, Any]:
    """As it was asked for, with two words before the API server fills them in: a volume mode would become Filesystem,
    and a class the cluster's default, even where there is another one for virtual machines.
    """
    asked["volumeMode"] = asked.get("volumeMode") or FROM_STORAGE_PROFILE
    if name := class_name(asked, state.offer):
        asked["storageClassName"] = name
    return asked


def claim_object(state: State, spec: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The claim, whole: it is not edited later (spec 2.2 "Created PVC")."""
    volume = state.volume
    spec = dict(spec)
    flow = {names.USE_POPULATOR: "true"} if state.populates else {}
    if volumes := reserved_volumes(state, spec):
        flow = {names.USE_POPULATOR: "false", names.PERSISTENT_VOLUME_LIST: json.dumps(volumes, separators=(",", ":"))}
    elif volume.external_source:
        flow[names.EXTERNAL_POPULATION] = "true"
    elif not state.populates:
        flow |= {**import_annotations(volume.source), **notes(next(iter(listed(volume.spec)), None))}
    else:
        if not state.defaults.honours_wait:
            flow[names.IMMEDIATE_BIND] = volume.annotations.get(names.IMMEDIATE_BIND, "")
        spec["dataSourceRef"] = {
            "apiGroup": names.GROUP,
            "kind": "VolumeImportSource",
            "name": import_source_name(volume.ref.uid),
        }
    given = {key: value for key, value in volume.annotations.items() if key != names.POPULATED_FOR}
    filesystem = spec["volumeMode"] == "Filesystem"
    wishes = {
        names.PRIORITY_CLASS: volume.spec.get("priorityClassName", ""),
        names.SERVICE_ACCOUNT: volume.spec.get("serviceAccountName", ""),
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": volume.ref.name,
            "namespace": volume.ref.namespace,
            "labels": {
                **volume.labels,
                **settings.labels,
                names.APP: names.APP_NAME,
                **({names.NO_FILLING_UP_ALERT: "disabled"} if filesystem else {}),
            },
            "annotations": {
                **given,
                **{key: value for key, value in wishes.items() if value},
                names.POD_RESTARTS: "0",
                names.CONTENT_TYPE: volume.content_type,
                names.PREALLOCATION_REQUESTED: "true" if preallocates(state) else "false",
                names.CREATED_FOR_DATA_VOLUME: volume.ref.uid,
                **flow,
            },
            "ownerReferences": [owner_reference(volume.ref)],
        },
        "spec": spec,
    }


def preallocates(state: State) -> bool:
    asked = state.volume.spec.get("preallocation")
    return state.defaults.preallocation if asked is None else bool(asked)


def import_source(state: State, settings: Settings) -> dict[str, Any]:
    """The VolumeImportSource that the claim refers to."""
    volume = state.volume
    passed_on = {key: volume.spec[key] for key in LIST if key in volume.spec}
    if volume.spec.get("checkpoints"):
        passed_on["targetClaim"] = volume.ref.name
    return {
        "apiVersion": names.API_VERSION,
        "kind": "VolumeImportSource",
        "metadata": {
            "name": import_source_name(volume.ref.uid),
            "namespace": volume.ref.namespace,
            "labels": {**settings.labels, names.APP: names.APP_NAME},
            "ownerReferences": [owner_reference(volume.ref)],
        },
        "spec": {
            "source": {volume.import_kind: volume.source[volume.import_kind or ""]},
            "contentType": volume.content_type,
            "preallocation": preallocates(state),
            **passed_on,
        },
    }
