"""What follows from the settings in this cluster: the status of CDIConfig `config` (spec 1.5).

Clients and the other flows read the status, never the spec: it has the defaults filled in and an entry for every
StorageClass that there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Create, PatchSpec, PatchStatus, Plan
from cdi_operator.flows.config.observe import NAME
from cdi_operator.flows.config.state import State
from cdi_operator.flows.defaults import HONOUR_WAIT
from cdi_operator.flows.difference import difference
from cdi_operator.flows.settings import Settings
from cdi_operator.storage.sizes import DEFAULT_OVERHEAD

SHIPPED_SPEC = {"featureGates": [HONOUR_WAIT]}
"""The settings of an installation that nobody configured, as the reference ships them (spec 8.1)."""

DEFAULT_POD_RESOURCES = {
    "limits": {"cpu": "750m", "memory": "600M"},
    "requests": {"cpu": "100m", "memory": "60M"},
}

_SHARE = re.compile(r"0(\.\d{1,3})?|1", re.ASCII)


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    config = state.config
    if config is None:
        return (Create(new_config(state, settings)),)
    if config.deleting:
        return ()
    decided = decided_spec(state, settings)
    if decided is not None and (edited := difference(config.spec, decided)):
        return (PatchSpec(config.ref, edited, config.object["metadata"].get("resourceVersion", "")),)
    marks = installation.mark(config.object, config.ref, state.owner, settings)
    changes = difference(config.status, status(config.spec, state.storage_classes))
    return (*marks, PatchStatus(config.ref, changes)) if changes else marks


def decided_spec(state: State, settings: Settings) -> Mapping[str, Any] | None:
    """What the installer wants the settings to be, edits by others notwithstanding; None: they are the users' own.

    Where there is a CDI object, its operator keeps them (spec 8.3).
    """
    return None if state.owner else settings.config


def new_config(state: State, settings: Settings) -> dict[str, Any]:
    decided = decided_spec(state, settings)
    shipped = SHIPPED_SPEC if decided is None else dict(decided)
    return {
        "apiVersion": names.API_VERSION,
        "kind": "CDIConfig",
        "metadata": installation.new_metadata(NAME, state.owner, settings),
        "spec": dict(state.installed) if state.owner else shipped,
    }


def status(spec: Mapping[str, Any], storage_classes: tuple[str, ...]) -> dict[str, Any]:
    scratch_class = spec.get("scratchSpaceStorageClass")
    found = {
        "uploadProxyURL": spec.get("uploadProxyURLOverride"),
        "importProxy": spec.get("importProxy"),
        "scratchSpaceStorageClass": scratch_class if scratch_class in storage_classes else None,
        "imagePullSecrets": spec.get("imagePullSecrets"),
    }
    return {
        "defaultPodResourceRequirements": pod_resources(spec.get("podResourceRequirements") or {}),
        "filesystemOverhead": overhead(spec.get("filesystemOverhead") or {}, storage_classes),
        "preallocation": bool(spec.get("preallocation")),
        **{field: value for field, value in found.items() if value},
    }


def pod_resources(given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults, each replaced by what is given for it."""
    merged = {kind: {**default, **(given.get(kind) or {})} for kind, default in DEFAULT_POD_RESOURCES.items()}
    return {**merged, **({"claims": given["claims"]} if given.get("claims") else {})}


def overhead(given: Mapping[str, Any], storage_classes: tuple[str, ...]) -> dict[str, Any]:
    """A share for every class. What is no share (possible in objects older than the schema) counts as not given."""
    everywhere = share(given.get("global")) or DEFAULT_OVERHEAD
    per_class = given.get("storageClass") or {}
    return {
        "global": everywhere,
        "storageClass": {name: share(per_class.get(name)) or everywhere for name in storage_classes},
    }


def share(text: object) -> str | None:
    return text if isinstance(text, str) and _SHARE.fullmatch(text) else None
