"""What the config flow knows: the object `config`, the classes of the cluster, the CDI object."""

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
class State:
    config: Config | None
    storage_classes: tuple[str, ...]
    """Names, sorted."""
    owner: Ref | None
    """The CDI object, when there is one."""
    installed: Mapping[str, Any]
    """spec.config of the CDI object; empty without one."""
