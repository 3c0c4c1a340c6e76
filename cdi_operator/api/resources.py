"""What pods may use, and what they pull their images with: shapes of core Kubernetes in the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cdi_operator.api.model import Facets, Model, Quantity


class ResourceClaim(Model):
    """A resource claim of the pod that its containers use."""

    name: str
    """Name of the claim among the pod's resourceClaims."""
    request: str | None = None
    """Name of the request in the claim; everything in it when not given."""


class ResourceRequirements(Model):
    """What a pod may use and what it is promised."""

    limits: dict[str, Quantity] = Field(default_factory=dict)
    """The most that may be used, such as cpu: 750m and memory: 600M."""
    requests: dict[str, Quantity] = Field(default_factory=dict)
    """What is promised, such as cpu: 100m and memory: 60M."""
    claims: Annotated[
        tuple[ResourceClaim, ...],
        Facets(x__kubernetes__list__type="map", x__kubernetes__list__map__keys=["name"]),
    ] = ()
    """Resource claims of the pod that are used."""


class LocalObjectReference(Model):
    """An object in the same namespace, by name."""

    name: Annotated[str, Facets(default="")] = ""
    """Name of the object."""
