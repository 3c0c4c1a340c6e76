"""What follows from the settings in this cluster: the status of CDIConfig `config` (spec 1.5).

Clients and the other flows read the status, never the spec: it has the defaults filled in and an entry for every
StorageClass that there is.

Where the settings are made: in the CDI object when there is one, in the values of the chart when there is none, in
CDIConfig itself when nobody else decides (spec 8.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows import custom, installation
from cdi_operator.flows.actions import Create, Object, PatchMeta, PatchSpec, PatchStatus, Plan
from cdi_operator.flows.config.certificates import certificate_for
from cdi_operator.flows.config.observe import NAME, PROXY_AUTHORITIES
from cdi_operator.flows.config.state import ClusterProxy, Installation, State
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
    if taken := authority(state):
        return taken
    if config is None:
        return (Create(new_config(state, settings)),)
    if config.deleting:
        return ()
    decided = decided_spec(state, settings)
    if decided is not None and (edited := difference(config.spec, decided)):
        return (PatchSpec(config.ref, edited, config.object["metadata"].get("resourceVersion", "")),)
    owner = state.installation.ref if state.installation else None
    notes = decided_annotations(config.object, settings)
    marks = installation.mark(config.object, config.ref, owner, settings, notes)
    asked = authorities_map(state, settings) if uses_cluster_proxy(config.spec, state.proxy) else ()
    changes = difference(config.status, status(config.spec, state))
    return (*marks, *asked, PatchStatus(config.ref, changes)) if changes else (*marks, *asked)


def authority(state: State) -> Plan:
    """A CDI object that comes to settings made before it takes them over, once, and decides from then on."""
    installed = state.installation
    if installed is None or installed.decides or installed.deleting:
        return ()
    made = state.config.spec if state.config else {}
    taking = installed.config is None and made
    taken = (PatchSpec(installed.ref, {"config": made}, installed.resource_version),) if taking else ()
    return (*taken, PatchMeta(installed.ref, annotations={names.CONFIG_AUTHORITY: ""}))


def decided_spec(state: State, settings: Settings) -> Mapping[str, Any] | None:
    """What the settings are to be, edits by others notwithstanding; None: they are the users' own."""
    return decided_by(state.installation) if state.installation else settings.config


def decided_by(installed: Installation) -> Mapping[str, Any] | None:
    return None if installed.deleting or not installed.decides else installed.config or {}


def decided_annotations(config: Object, settings: Settings) -> dict[str, str | None]:
    """Those that the installer decides, and what is wrong with those that there will be."""
    wanted = {**(config["metadata"].get("annotations") or {}), **settings.config_annotations}
    return {**settings.config_annotations, names.IGNORED_SETTINGS: custom.complaint(wanted) or None}


def new_config(state: State, settings: Settings) -> dict[str, Any]:
    decided = decided_spec(state, settings)
    shipped = {} if state.installation else SHIPPED_SPEC
    owner = state.installation.ref if state.installation else None
    return {
        "apiVersion": names.API_VERSION,
        "kind": "CDIConfig",
        "metadata": installation.new_metadata(NAME, owner, settings, settings.config_annotations),
        "spec": shipped if decided is None else dict(decided),
    }


def status(spec: Mapping[str, Any], state: State) -> dict[str, Any]:
    scratch_class = spec.get("scratchSpaceStorageClass")
    found = {
        **upload_proxy(spec, state),
        "importProxy": import_proxy(spec, state.proxy),
        "scratchSpaceStorageClass": scratch_class if scratch_class in state.storage_classes else None,
        "imagePullSecrets": spec.get("imagePullSecrets"),
    }
    return {
        "defaultPodResourceRequirements": pod_resources(spec.get("podResourceRequirements") or {}),
        "filesystemOverhead": overhead(spec.get("filesystemOverhead") or {}, state.storage_classes),
        "preallocation": bool(spec.get("preallocation")),
        **{field: value for field, value in found.items() if value},
    }


def upload_proxy(spec: Mapping[str, Any], state: State) -> dict[str, str]:
    """An address given by hand may lead through anything, so no certificate is told for it."""
    if given := spec.get("uploadProxyURLOverride"):
        return {"uploadProxyURL": given}
    door = state.door
    return {"uploadProxyURL": door.host, "uploadProxyCA": certificate_for(door.host, door.certificates)} if door else {}


def uses_cluster_proxy(spec: Mapping[str, Any], proxy: ClusterProxy | None) -> bool:
    return proxy is not None and not spec.get("importProxy")


def import_proxy(spec: Mapping[str, Any], proxy: ClusterProxy | None) -> Mapping[str, str] | None:
    if proxy is None or not uses_cluster_proxy(spec, proxy):
        return spec.get("importProxy")
    found = {
        "HTTPProxy": proxy.http,
        "HTTPSProxy": proxy.https,
        "noProxy": proxy.direct,
        "trustedCAProxy": PROXY_AUTHORITIES if proxy.has_authorities else "",
    }
    return {field: value for field, value in found.items() if value}


def authorities_map(state: State, settings: Settings) -> Plan:
    """OpenShift fills a ConfigMap with this label by itself. (The reference copies one from another namespace, for
    which it has to be allowed to read there.)
    """
    if state.proxy is None or not state.proxy.has_authorities or state.has_authorities_map:
        return ()
    meta = installation.new_metadata(
        PROXY_AUTHORITIES, state.installation.ref if state.installation else None, settings
    )
    labels = {**meta["labels"], names.INJECT_TRUSTED_AUTHORITIES: "true"}
    wanted = {**meta, "namespace": settings.namespace, "labels": labels}
    return (Create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": wanted}),)


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
