"""Reads what `plan` needs to know. The only key is CDIConfig `config`; it is observed even while it does not exist."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Ref
from cdi_operator.flows.config.doors import first_door
from cdi_operator.flows.config.state import ClusterProxy, Config, Installation, State
from cdi_operator.flows.seen import Key
from cdi_operator.flows.view import View

NAME = "config"
KEY: Key = ("", NAME)
CLUSTER_PROXY = "cluster"
PROXY_AUTHORITIES = "cdi-proxy-authorities"
"""Our ConfigMap that OpenShift fills with the certificate authorities of the cluster's proxy."""


def observe(view: View, key: Key) -> State | None:
    if key != KEY:
        return None
    return State(
        config=_config(view),
        storage_classes=tuple(sorted(each["metadata"]["name"] for each in view.all("StorageClass"))),
        installation=_installation(view),
        door=first_door(view),
        proxy=_cluster_proxy(view),
        has_authorities_map=installation.config_map(view, PROXY_AUTHORITIES) is not None,
    )


def _config(view: View) -> Config | None:
    found = view.get("CDIConfig", NAME)
    if found is None:
        return None
    return Config(
        object=found,
        ref=Ref.of({"apiVersion": names.API_VERSION, "kind": "CDIConfig", **found}),
        spec=found.get("spec") or {},
        status=found.get("status") or {},
        deleting="deletionTimestamp" in found["metadata"],
    )


def _installation(view: View) -> Installation | None:
    found, ref = installation.active(view), installation.owner(view)
    if found is None or ref is None:
        return None
    meta = found["metadata"]
    return Installation(
        ref=ref,
        resource_version=meta.get("resourceVersion", ""),
        config=(found.get("spec") or {}).get("config"),
        decides=names.CONFIG_AUTHORITY in (meta.get("annotations") or {}),
        deleting="deletionTimestamp" in meta,
    )


def _cluster_proxy(view: View) -> ClusterProxy | None:
    """None where the cluster has none, or has not said yet what it is."""
    found = view.get("Proxy", CLUSTER_PROXY)
    if found is None:
        return None
    spec, status = found.get("spec") or {}, found.get("status") or {}
    if not (status.get("httpProxy") or status.get("httpsProxy")):
        return None
    return ClusterProxy(
        http=status.get("httpProxy") or "",
        https=status.get("httpsProxy") or "",
        direct=status.get("noProxy") or "",
        has_authorities=bool((spec.get("trustedCA") or {}).get("name")),
    )
