"""VMware's library (VDDK), which users bring in an image of their own: a container that runs before the worker copies
it to where the worker finds it (spec 3.4).

Which image it is, the DataVolume says, or an annotation, or the administrator for everybody. Without one, the import
waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Look, Plan, Ref
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.importer.volumes import Mount
from cdi_operator.flows.seen import Claim
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.view import outdated

CONFIG_MAP = "v2v-vmware"
"""Of the installation."""
KEY = "vddk-init-image"
CONFIG_FILE, NODE_SELECTOR = "vddk-config-file", "vddk-node-selector"
"""Keys of the ConfigMap that extraArgs names, beside the claim."""
FRESH = timedelta(seconds=10)
AWAITING = f"waiting for {CONFIG_MAP} configmap or {names.VDDK_INIT_IMAGE_URL} annotation for VDDK image"
ARCHITECTURE = "amd64"
"""The only one for which there is a library."""
VOLUME = "vddk-vol-mount"
DIRECTORY = "/opt"


def is_wanted(claim: Claim) -> bool:
    return claim.annotations.get(names.SOURCE) == "vddk"


def image(state: State) -> str:
    """Empty when nobody has named one."""
    return state.claim.annotations.get(names.VDDK_INIT_IMAGE_URL) or state.vddk_image


def extra_args(claim: Claim) -> str:
    """Name of the ConfigMap with settings for the library; empty for none."""
    return claim.annotations.get(names.VDDK_EXTRA_ARGS, "") if is_wanted(claim) else ""


def look(state: State, now: datetime) -> Plan:
    """Nobody follows the ConfigMaps of all users: this one is read when it is needed, and just before that."""
    name = extra_args(state.claim)
    wanted = name and outdated(state.extra_args, FRESH, now)
    return (Look(Ref("v1", "ConfigMap", name, state.claim.ref.namespace)),) if wanted else ()


def wrong(state: State) -> str:
    """What has to be put right before a worker can start; empty for nothing."""
    name = extra_args(state.claim)
    if not name or state.extra_args is None:
        return ""
    if state.extra_args.object is None:
        return f"ConfigMap {name!r} (extraArgs) not found"
    given = data(state)
    if not {CONFIG_FILE, NODE_SELECTOR} & given.keys():
        return f"ConfigMap {name!r} (extraArgs) has neither a key {CONFIG_FILE} nor {NODE_SELECTOR}"
    if NODE_SELECTOR in given and selector_in(given[NODE_SELECTOR]) is None:
        return f"{NODE_SELECTOR} of ConfigMap {name!r} (extraArgs) is no JSON object of labels"
    return ""


def data(state: State) -> Mapping[str, str]:
    found = state.extra_args.object if extra_args(state.claim) and state.extra_args else None
    return (found or {}).get("data") or {}


def node_selector(state: State) -> Mapping[str, str]:
    """Labels of the nodes that may speak to VMware."""
    return selector_in(data(state).get(NODE_SELECTOR, "{}")) or {}


def selector_in(text: str) -> Mapping[str, str] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    good = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if good else None


def library(claim: Claim) -> Mount | None:
    return Mount(VOLUME, DIRECTORY, {"emptyDir": {}}) if is_wanted(claim) else None


def settings_of_library(state: State) -> Mount | None:
    """Where the worker finds them."""
    if CONFIG_FILE not in data(state):
        return None
    return Mount("vddk-extra-args", "/vddk-args", {"configMap": {"name": extra_args(state.claim), "optional": True}})


def containers(state: State, settings: Settings) -> list[dict[str, Any]]:
    """What runs before the worker."""
    if not is_wanted(state.claim):
        return []
    unpack = {
        "name": "vddk-side-car",
        "image": image(state),
        "imagePullPolicy": settings.pull_policy,
        "resources": dict(state.defaults.pod_resources),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": VOLUME, "mountPath": DIRECTORY}],
    }
    return [unpack]
