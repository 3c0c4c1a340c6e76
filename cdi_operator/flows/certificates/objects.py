"""What the certificates flow makes: requests for certificates, the bundle, the word to those who call (spec 8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Issue, Ref
from cdi_operator.flows.certificates import pem
from cdi_operator.flows.certificates.authorities import BUNDLE_KEY
from cdi_operator.flows.certificates.lifetimes import Lifetime
from cdi_operator.flows.certificates.state import Caller, Pair, State
from cdi_operator.flows.seen import timestamp
from cdi_operator.flows.settings import Settings

BACKDATED = timedelta(minutes=5)
"""Clocks of nodes differ: a certificate is valid for those that are behind, too."""


def new_signer(state: State, settings: Settings, now: datetime, why: str) -> Issue:
    """An authority that vouches for itself. Its name tells it from its predecessors."""
    name = f"{state.authority.signer}@{int(now.timestamp())}"
    begins, ends = now - BACKDATED, now + state.ca_lifetime.duration
    notes = certificate_notes(begins, ends, name, state.ca_lifetime)
    secret = secret_object(state, settings, state.authority.signer, state.signer, notes)
    return Issue(secret, name, begins, ends, why)


def new_server(state: State, settings: Settings, now: datetime, why: str) -> Issue:
    """Ends with its authority at the latest: whoever trusts it may check both."""
    authority = state.signer.certificate if state.signer else None
    assert authority is not None, "the signer is made first"
    begins, ends = now - BACKDATED, min(now + state.server_lifetime.duration, authority.not_valid_after_utc)
    notes = certificate_notes(begins, ends, pem.common_name(authority), state.server_lifetime)
    secret = secret_object(state, settings, state.authority.server, state.server, notes)
    signer = Ref("v1", "Secret", state.authority.signer, state.namespace)
    return Issue(secret, state.authority.service, begins, ends, why, signer, dns_names(state))


def dns_names(state: State) -> tuple[str, ...]:
    """What the server is called, from near and far."""
    service, namespace = state.authority.service, state.namespace
    return (service, f"{service}.{namespace}", f"{service}.{namespace}.svc")


def certificate_notes(begins: datetime, ends: datetime, issuer: str, lifetime: Lifetime) -> dict[str, str]:
    return {
        names.CERTIFICATE_NOT_BEFORE: timestamp(begins),
        names.CERTIFICATE_NOT_AFTER: timestamp(ends),
        names.CERTIFICATE_ISSUER: issuer,
        names.CERT_CONFIG: lifetime.note,
    }


def secret_object(
    state: State, settings: Settings, name: str, before: Pair | None, notes: Mapping[str, str]
) -> dict[str, Any]:
    """For the version that was seen: what somebody else has written meanwhile is looked at first."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            **own_metadata(state, settings, name),
            "annotations": dict(notes),
            **({"resourceVersion": before.resource_version} if before else {}),
        },
    }


def bundle_object(state: State, settings: Settings, text: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": own_metadata(state, settings, state.authority.bundle),
        "data": {BUNDLE_KEY: text},
    }


def own_metadata(state: State, settings: Settings, name: str) -> dict[str, Any]:
    owner = state.owner
    reference = (
        [{"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}] if owner else []
    )
    return {
        "name": name,
        "namespace": state.namespace,
        "labels": installation.labels(settings),
        **({"ownerReferences": reference} if reference else {}),
    }


def informed(caller: Caller, trusts: str) -> dict[str, Any]:
    """Only the field that is ours; everything else in the configuration is the installer's. `trusts` is base64."""
    ref = caller.ref
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "uid": ref.uid},
        "webhooks": [{"name": name, "clientConfig": {"caBundle": trusts}} for name in caller.trusts],
    }
