"""The installation's proxy, as a worker is told of it (spec 5.7): its URLs in the environment, under the names that
every program reads, and the certificates to trust as a ConfigMap, copied to where the worker is.

A password in a proxy's URL is in the environment of the pod, as it is in CDIConfig: that is the reference's contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Ensure, Plan, Ref
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.importer.volumes import Mount
from cdi_operator.flows.seen import Claim, owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.storage.names import proxy_ca_name

KEY = "ca.crt"
KEYS = (KEY, "ca-bundle.crt", "ca.pem")
"""Where the certificates may be: as documented, as OpenShift fills it in, and as some of the reference's pages say."""


def bundle(data: Mapping[str, str]) -> str:
    """The certificates in a ConfigMap's data; empty when there are none yet."""
    return next((data[key] for key in KEYS if data.get(key)), "")


def environment(state: State) -> list[dict[str, str]]:
    proxy = state.defaults.proxy
    said = {"http_proxy": proxy.http, "https_proxy": proxy.https, "no_proxy": proxy.no_proxy}
    return [{"name": name, "value": value} for name, value in said.items() if value]


def certificates(state: State) -> Mount | None:
    if not state.defaults.proxy.trusted_ca:
        return None
    source = {"configMap": {"name": proxy_ca_name(state.claim.name), "optional": True}}
    return Mount("cdi-proxy-cert-vol", "/proxycerts/", source)


def lacking(state: State, settings: Settings) -> str:
    """What the administrator has to make before any worker can start; empty when nothing is missing."""
    wanted = state.defaults.proxy.trusted_ca
    if not wanted or state.proxy_ca:
        return ""
    return f"ConfigMap {wanted!r} with key {KEY} not found in namespace {settings.namespace} (trustedCAProxy)"


def copied(state: State, settings: Settings) -> Plan:
    """The copy, made before the pod that mounts it. It goes with the pod, and at the latest with the claim."""
    if not state.proxy_ca:
        return ()
    claim = state.claim
    copy: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": proxy_ca_name(claim.name),
            "namespace": claim.ref.namespace,
            "labels": {**settings.labels, names.APP: names.APP_NAME},
            "ownerReferences": [owner_reference(claim.ref)],
        },
        "data": {KEY: state.proxy_ca},
    }
    return (Ensure(copy),)


def copy_of(claim: Claim) -> Ref:
    return Ref("v1", "ConfigMap", proxy_ca_name(claim.name), claim.ref.namespace)
