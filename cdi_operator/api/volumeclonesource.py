"""VolumeCloneSource: a claim whose dataSourceRef names this object becomes a clone (spec 1.8)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from cdi_operator.api.claims import TypedLocalObjectReference
from cdi_operator.api.model import ATOMIC_MAP, Definition, Model, Resource


class VolumeCloneSourceSpec(Model):
    """What is cloned, and how."""

    source: Annotated[TypedLocalObjectReference, ATOMIC_MAP]
    """The PersistentVolumeClaim or VolumeSnapshot that is cloned, in the same namespace."""
    preallocation: bool | None = None
    """Write or reserve the whole disk at once. Not given: as CDIConfig says."""
    priority_class_name: str | None = None
    """PriorityClass of the pods that copy the data, where it has to be copied."""


class VolumeCloneSource(Resource):
    """A source of data for claims: a claim whose dataSourceRef names it becomes a clone of a claim or snapshot."""

    definition: ClassVar = Definition(kind="VolumeCloneSource", plural="volumeclonesources")

    spec: VolumeCloneSourceSpec
    """What is cloned, and how."""
