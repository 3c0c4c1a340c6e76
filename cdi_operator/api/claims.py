"""Volumes as one asks for them: the claim spec of Kubernetes, and the shorter one that a StorageProfile completes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cdi_operator.api.model import ATOMIC_LIST, ATOMIC_MAP, Model, Quantity


class LabelSelectorRequirement(Model):
    """One condition on the labels of an object."""

    key: str
    """The label that the condition is about."""
    operator: str
    """How the label relates to the values: In, NotIn, Exists or DoesNotExist."""
    values: Annotated[tuple[str, ...], ATOMIC_LIST] = ()
    """The values, for In and NotIn; empty for the others."""


class LabelSelector(Model):
    """Selects objects by their labels; all conditions must hold. An empty one selects everything."""

    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], ATOMIC_LIST] = ()
    """Conditions on labels."""
    match_labels: dict[str, str] = Field(default_factory=dict)
    """Labels that must have exactly these values."""


class TypedLocalObjectReference(Model):
    """An object in the same namespace."""

    api_group: str | None = None
    """API group of the object; empty for the core group."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""


class TypedObjectReference(Model):
    """An object, maybe in another namespace."""

    api_group: str | None = None
    """API group of the object; empty for the core group."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""
    namespace: str | None = None
    """Namespace of the object. References into another namespace are not supported here."""


class VolumeResourceRequirements(Model):
    """The size of a volume."""

    limits: dict[str, Quantity] = Field(default_factory=dict)
    """The most that is allowed."""
    requests: dict[str, Quantity] = Field(default_factory=dict)
    """The least that is needed; `storage` is the size of the volume, such as 10Gi."""


class PersistentVolumeClaimSpec(Model):
    """A PersistentVolumeClaim as it is to be made, field by field."""

    access_modes: Annotated[tuple[str, ...], ATOMIC_LIST] = ()
    """How the volume may be mounted: one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod."""
    selector: Annotated[LabelSelector | None, ATOMIC_MAP] = None
    """Labels of the PersistentVolumes that the claim may be bound to."""
    resources: VolumeResourceRequirements | None = None
    """The size of the volume."""
    volume_name: str | None = None
    """The PersistentVolume that the claim is to be bound to."""
    storage_class_name: str | None = None
    """StorageClass of the volume; the cluster's default when not given, none at all when empty."""
    volume_mode: str | None = None
    """Filesystem (default) or Block."""
    data_source: Annotated[TypedLocalObjectReference | None, ATOMIC_MAP] = None
    """A claim, snapshot or population source that the volume is filled from by somebody other than this DataVolume."""
    data_source_ref: TypedObjectReference | None = None
    """As dataSource, for any kind of population source."""
    volume_attributes_class_name: str | None = None
    """VolumeAttributesClass of the volume, where the storage supports one."""


class StorageSpec(Model):
    """A volume as one would describe it; the StorageProfile of its class completes what is not given."""

    access_modes: tuple[str, ...] = ()
    """How the volume may be mounted. Not given: what the StorageProfile prefers."""
    selector: Annotated[LabelSelector | None, ATOMIC_MAP] = None
    """Labels of the PersistentVolumes that the claim may be bound to."""
    resources: VolumeResourceRequirements | None = None
    """The size of the disk. A filesystem volume is made larger by its overhead, so that a disk of this size fits."""
    volume_name: str | None = None
    """The PersistentVolume that the claim is to be bound to."""
    storage_class_name: str | None = None
    """StorageClass of the volume. Not given: the default for virtualization, else the cluster's default."""
    volume_mode: str | None = None
    """Filesystem or Block. Not given: what the StorageProfile prefers."""
    data_source: Annotated[TypedLocalObjectReference | None, ATOMIC_MAP] = None
    """A claim, snapshot or population source that the volume is filled from by somebody other than this DataVolume."""
    data_source_ref: TypedObjectReference | None = None
    """As dataSource, for any kind of population source."""
