"""ObjectTransfer: moves a claim, maybe with its DataVolume, to another name or namespace (spec 1.7). Deprecated."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cdi_operator.api.conditions import Condition
from cdi_operator.api.model import Column, Definition, Model, Resource


class TransferSource(Model):
    """The object that is moved."""

    api_version: str | None = None
    """Group and version of the object."""
    kind: str
    """Kind of the object: DataVolume or PersistentVolumeClaim."""
    namespace: str
    """Namespace of the object."""
    name: str
    """Name of the object."""
    required_annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations that the object must have before it is moved."""


class TransferTarget(Model):
    """Where the object is moved to: another namespace, another name, or both."""

    namespace: str | None = None
    """The new namespace; the old one when not given."""
    name: str | None = None
    """The new name; the old one when not given."""


class ObjectTransferSpec(Model):
    """What is moved, and where to."""

    source: TransferSource
    """The object that is moved."""
    target: TransferTarget
    """Where the object is moved to: another namespace, another name, or both."""
    parent_name: str | None = None
    """The ObjectTransfer that this one is a part of."""


class ObjectTransferStatus(Model):
    """How far the move is."""

    phase: str | None = None
    """Pending, Running, Complete or Error."""
    data: dict[str, str] = Field(default_factory=dict)
    """What is needed to go on with the move after an interruption."""
    conditions: tuple[Condition, ...] = ()
    """Complete: the object has arrived, or why it has not."""


class ObjectTransfer(Resource):
    """Moves a claim, or a DataVolume with its claim, to another name or namespace. Deprecated."""

    definition: ClassVar = Definition(
        kind="ObjectTransfer",
        plural="objecttransfers",
        scope="Cluster",
        short_names=("ot", "ots"),
        columns=(Column("Age", ".metadata.creationTimestamp", "date"), Column("Phase", ".status.phase")),
        status_subresource=True,
        selectable_fields=(".status.phase",),
    )

    spec: ObjectTransferSpec
    """What is moved, and where to. Cannot be changed later."""
    status: ObjectTransferStatus = Field(default_factory=ObjectTransferStatus)
    """How far the move is."""
