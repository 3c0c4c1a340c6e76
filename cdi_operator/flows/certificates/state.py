"""What the certificates flow knows of one authority, its server and those who have to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate

from cdi_operator.flows.actions import Ref
from cdi_operator.flows.certificates.authorities import Authority
from cdi_operator.flows.certificates.lifetimes import Lifetime


@dataclass(frozen=True)
class Pair:
    """A Secret with a certificate and its key, as far as it is followed: without the key."""

    resource_version: str
    certificate: Certificate | None
    """None when it cannot be read."""
    begins: datetime | None
    """As the annotations say, which people edit to have the certificate replaced."""
    ends: datetime | None
    lifetime: str
    """What `Lifetime.note` was when it was issued."""


@dataclass(frozen=True)
class Caller:
    """A webhook configuration: who calls the server must know whom to trust."""

    ref: Ref
    trusts: Mapping[str, str]
    """caBundle (base64) of each of its webhooks that leads to the server, by the webhook's name."""


@dataclass(frozen=True)
class State:
    authority: Authority
    namespace: str
    signer: Pair | None
    server: Pair | None
    bundle: str | None
    """Text of the bundle; None when there is none."""
    callers: tuple[Caller, ...]
    owner: Ref | None
    """What stands for the installation in its namespace."""
    ca_lifetime: Lifetime
    server_lifetime: Lifetime
