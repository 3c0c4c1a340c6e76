"""Where the upload proxy is reached from outside of the cluster: by an Ingress, else by an OpenShift Route (spec 1.5).

Users make these objects, so nothing is taken for granted about their shape (spec 8.5).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cdi_operator.flows.actions import Object
from cdi_operator.flows.config.state import Door
from cdi_operator.flows.view import View

UPLOAD_PROXY = "cdi-uploadproxy"
"""Name of the service, and of whatever leads to it."""
CLUSTER_AUTHORITIES = "kube-root-ca.crt"
"""A ConfigMap that every namespace has. On OpenShift the certificates of the router are in it too."""


def first_door(view: View) -> Door | None:
    """By name, and an Ingress before a Route. The reference leaves the order to chance."""
    return next(_doors(view), None)


def _doors(view: View) -> Iterator[Door]:
    for ingress in _by_name(view.all("Ingress")):
        if host := host_of_ingress(ingress.get("spec") or {}):
            yield Door(host, _certificates_of_ingress(view, ingress, host))
    for route in _by_name(view.all("Route")):
        if host := host_of_route(route):
            authorities = view.get("ConfigMap", CLUSTER_AUTHORITIES, route["metadata"]["namespace"]) or {}
            yield Door(host, (authorities.get("data") or {}).get("ca.crt") or "")


def host_of_ingress(spec: Mapping[str, Any]) -> str:
    """The host under which an Ingress leads to the upload proxy; empty when it leads elsewhere or is open to any."""
    rules = spec.get("rules") or ()
    if _leads_to_proxy(spec.get("defaultBackend")):
        return _first_host(rules)
    hosts = (
        rule.get("host")
        for rule in rules
        for path in (rule.get("http") or {}).get("paths") or ()
        if _leads_to_proxy(path.get("backend"))
    )
    return next((str(host) for host in hosts if host), "")


def _leads_to_proxy(backend: Mapping[str, Any] | None) -> bool:
    """A backend may be something else than a service."""
    return ((backend or {}).get("service") or {}).get("name") == UPLOAD_PROXY


def host_of_route(route: Object) -> str:
    """As the router admitted it; empty when it leads elsewhere or no router has taken it."""
    spec, status = route.get("spec") or {}, route.get("status") or {}
    if (spec.get("to") or {}).get("name") != UPLOAD_PROXY:
        return ""
    return _first_host(status.get("ingress") or ())


def _first_host(entries: Iterable[Mapping[str, Any]]) -> str:
    return next((str(entry.get("host") or "") for entry in entries), "")


def _certificates_of_ingress(view: View, ingress: Object, host: str) -> str:
    for entry in ingress["spec"].get("tls") or ():
        hosts, name = entry.get("hosts") or (host,), entry.get("secretName") or ""
        secret = view.get("Secret", name, ingress["metadata"]["namespace"])
        if secret is not None and _covered(host, hosts):
            return _text((secret.get("data") or {}).get("tls.crt") or "")
    return ""


def _covered(host: str, hosts: Iterable[str]) -> bool:
    return host in hosts or f"*.{host.partition('.')[2]}" in hosts


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _by_name(objects: Iterable[Object]) -> list[Object]:
    return sorted(objects, key=lambda each: str(each["metadata"]["name"]))
