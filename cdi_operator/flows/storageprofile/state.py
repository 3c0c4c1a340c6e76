"""What the storageprofile flow knows about one class and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.flows.actions import Object, Ref
from cdi_operator.storage.capabilities import Modes


@dataclass(frozen=True)
class Class:
    """A StorageClass."""

    name: str
    provisioner: str
    parameters: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class SnapshotClass:
    """A VolumeSnapshotClass of the class's own driver."""

    name: str
    parameters: Mapping[str, str]
    default: bool


@dataclass(frozen=True)
class Profile:
    """The StorageProfile as it is."""

    object: Object
    ref: Ref
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    deleting: bool


@dataclass(frozen=True)
class State:
    storage_class: Class | None
    profile: Profile | None
    snapshot_classes: tuple[SnapshotClass, ...]
    """The preferred one first."""
    volume_modes: tuple[Modes, ...]
    """Modes of the volumes of a class whose volumes are made by hand; empty for all others."""
    owner: Ref | None
    """The CDI object, when there is one."""
