"""What the config flow knows: the object `config`, the classes of the cluster, the CDI object, the ways in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.flows.actions import Object, Ref


@dataclass(frozen=True)
class Config:
    """The CDIConfig as it is."""

    object: Object
    ref: Ref
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    deleting: bool


@dataclass(frozen=True)
class Installation:
    """The CDI object that counts."""

    ref: Ref
    resource_version: str
    config: Mapping[str, Any] | None
    """Its spec.config; None when it has none."""
    decides: bool
    """It is marked as the place where settings are made (spec 8.3)."""
    deleting: bool


@dataclass(frozen=True)
class Door:
    """An Ingress or a Route that leads to the upload proxy."""

    host: str
    certificates: str
    """PEM: among them, if anywhere, is what its clients can check it against."""


@dataclass(frozen=True)
class ClusterProxy:
    """What OpenShift says about how to get out of the cluster."""

    http: str
    https: str
    direct: str
    """Hosts, domains and networks that need no proxy, separated by commas."""
    has_authorities: bool
    """The proxy opens TLS connections: its certificate authorities are handed out on request."""


@dataclass(frozen=True)
class State:
    config: Config | None
    storage_classes: tuple[str, ...]
    """Names, sorted."""
    installation: Installation | None
    door: Door | None
    """The first there is."""
    proxy: ClusterProxy | None
    has_authorities_map: bool
    """Our ConfigMap for the certificate authorities of the cluster's proxy exists."""
