"""Reads what `plan` needs to know. The key is (namespace of the installation, name of the server's Service)."""

from __future__ import annotations

from datetime import datetime

from cdi_operator.api import annotations as names
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.certificates.authorities import AUTHORITIES, BUNDLE_KEY, LOCK
from cdi_operator.flows.certificates.lifetimes import CA, SERVER, lifetime
from cdi_operator.flows.certificates.pem import certificate_of
from cdi_operator.flows.certificates.state import Caller, Pair, State
from cdi_operator.flows.seen import Key
from cdi_operator.flows.view import View

CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def observe(view: View, key: Key) -> State | None:
    namespace, service = key
    authority = next((each for each in AUTHORITIES if each.service == service), None)
    if authority is None:
        return None
    bundle, lock = view.get("ConfigMap", authority.bundle, namespace), view.get("ConfigMap", LOCK, namespace)
    configured = ((installation.active(view) or {}).get("spec") or {}).get("certConfig") or {}
    return State(
        authority=authority,
        namespace=namespace,
        signer=pair(view.get("Secret", authority.signer, namespace)),
        server=pair(view.get("Secret", authority.server, namespace)),
        bundle=(bundle.get("data") or {}).get(BUNDLE_KEY, "") if bundle else None,
        callers=callers(view, namespace, service),
        owner=Ref.of({"apiVersion": "v1", "kind": "ConfigMap", **lock}) if lock else None,
        ca_lifetime=lifetime(configured.get("ca") or {}, CA),
        server_lifetime=lifetime(configured.get("server") or {}, SERVER),
    )


def pair(secret: Object | None) -> Pair | None:
    if secret is None:
        return None
    data, notes = secret.get("data") or {}, secret["metadata"].get("annotations") or {}
    return Pair(
        resource_version=secret["metadata"].get("resourceVersion", ""),
        certificate=certificate_of(data.get("tls.crt") or ""),
        begins=time(notes.get(names.CERTIFICATE_NOT_BEFORE)),
        ends=time(notes.get(names.CERTIFICATE_NOT_AFTER)),
        lifetime=notes.get(names.CERT_CONFIG, ""),
    )


def time(text: str | None) -> datetime | None:
    """RFC 3339; None for anything else, a time without its zone among it."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def callers(view: View, namespace: str, service: str) -> tuple[Caller, ...]:
    """Every webhook configuration that leads to the service."""
    api = "admissionregistration.k8s.io/v1"
    found = (
        Caller(Ref.of({"apiVersion": api, "kind": kind, **each}), trusts(each, namespace, service))
        for kind in CONFIGURATIONS
        for each in view.all(kind)
        if "deletionTimestamp" not in each["metadata"]
    )
    return tuple(each for each in found if each.trusts)


def trusts(configuration: Object, namespace: str, service: str) -> dict[str, str]:
    led = ((webhook["name"], webhook.get("clientConfig") or {}) for webhook in configuration.get("webhooks") or ())
    wanted = {"namespace": namespace, "name": service}
    return {
        name: client.get("caBundle") or ""
        for name, client in led
        if wanted.items() <= (client.get("service") or {}).items()
    }
