"""DataSource: a lasting name for the best image of its kind, whatever holds it today (spec 1.2)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cdi_operator.api.conditions import Condition
from cdi_operator.api.model import Definition, Model, Resource
from cdi_operator.api.sources import PVCSource, SnapshotSource


class DataSourceReference(Model):
    """Another DataSource."""

    namespace: str
    """Namespace of the DataSource: the same as this one's."""
    name: str
    """Name of the DataSource. It must name a claim or a snapshot itself."""


class DataSourceSource(Model):
    """What holds the image: at most one of the members."""

    pvc: PVCSource | None = None
    """A PersistentVolumeClaim."""
    snapshot: SnapshotSource | None = None
    """A VolumeSnapshot."""
    data_source: DataSourceReference | None = None
    """Another DataSource, whose source is taken over."""


class DataSourceSpec(Model):
    """What the name stands for."""

    source: DataSourceSource
    """What holds the image: at most one of the members."""


class DataSourceStatus(Model):
    """What the name stands for at the moment."""

    source: DataSourceSource | None = None
    """The claim or snapshot that holds the image, references followed; empty while there is none that is ready."""
    conditions: tuple[Condition, ...] = ()
    """Ready: the image can be cloned, or why it cannot."""


class DataSource(Resource):
    """A lasting name for an image: DataVolumes refer to it and clone what holds the image at the time."""

    definition: ClassVar = Definition(
        kind="DataSource", plural="datasources", short_names=("das",), categories=("all",)
    )

    spec: DataSourceSpec
    """What the name stands for."""
    status: DataSourceStatus = Field(default_factory=DataSourceStatus)
    """What the name stands for at the moment, and whether it can be used."""
