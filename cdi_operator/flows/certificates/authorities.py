"""Who vouches for which server of the installation (spec 8.4): one row for each certificate authority of our own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Authority:
    """Names of objects in the namespace of the installation."""

    signer: str
    """Secret: the authority's certificate and key."""
    bundle: str
    """ConfigMap: every certificate that is to be trusted, this signer's and those of its predecessors."""
    server: str
    """Secret: the certificate and key that the server shows."""
    service: str
    """What clients call the server."""


API_SERVER = Authority("cdi-apiserver-signer", "cdi-apiserver-signer-bundle", "cdi-apiserver-server-cert", "cdi-api")
AUTHORITIES = (API_SERVER,)

LOCK = "cdi-config"
"""An empty ConfigMap that comes with the installation: what the controller makes beside it goes when it goes."""
BUNDLE_KEY = "ca-bundle.crt"
