"""StorageProfile: what is known of a StorageClass, and what the user knows better (spec 1.4)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cdi_operator.api.conditions import Condition
from cdi_operator.api.model import Definition, Facets, Model, Resource

_ACCESS_MODES = Facets(
    maxItems=4,
    x__kubernetes__validations=[
        {
            "rule": "self.all(mode, mode in ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'])",
            "message": "Illegal AccessMode",
        }
    ],
)


class ClaimPropertySet(Model):
    """Modes that a claim of this class may ask for together."""

    access_modes: Annotated[tuple[str, ...], _ACCESS_MODES]
    """How the volume may be mounted, the preferred mode first."""
    volume_mode: Literal["Block", "Filesystem"]
    """What the volume looks like: a block device or a filesystem."""


class StorageProfileSpec(Model):
    """What the user knows better; what is given here replaces what was found out."""

    clone_strategy: str | None = None
    """How volumes of this class are cloned: copy, snapshot or csi-clone."""
    claim_property_sets: Annotated[tuple[ClaimPropertySet, ...], Facets(maxItems=8)] = ()
    """Modes of claims that name none, the preferred set first. Replaces the whole list of the status."""
    data_import_cron_source_format: str | None = None
    """How DataImportCrons keep images on this class: pvc or snapshot."""
    snapshot_class: str | None = None
    """VolumeSnapshotClass for snapshots of volumes of this class."""


class StorageProfileStatus(Model):
    """What holds for claims of this class, found out or given by the user."""

    storage_class: str | None = None
    """The StorageClass that this profile is about."""
    provisioner: str | None = None
    """The provisioner of the class."""
    clone_strategy: str | None = None
    """How volumes of this class are cloned: copy, snapshot or csi-clone."""
    claim_property_sets: Annotated[tuple[ClaimPropertySet, ...], Facets(maxItems=8)] = ()
    """Modes of claims that name none, the preferred set first."""
    data_import_cron_source_format: str | None = None
    """How DataImportCrons keep images on this class: pvc or snapshot."""
    snapshot_class: str | None = None
    """VolumeSnapshotClass for snapshots of volumes of this class."""
    conditions: tuple[Condition, ...] = ()
    """Recognized: the provisioner is one that we know, with parameters that we know."""


class StorageProfile(Resource):
    """What a StorageClass can do, so that a DataVolume need not say it: modes of claims, cloning, snapshots."""

    definition: ClassVar = Definition(
        kind="StorageProfile", plural="storageprofiles", scope="Cluster", status_subresource=True
    )

    spec: StorageProfileSpec
    """What the user knows better; {} when nothing."""
    status: StorageProfileStatus = Field(default_factory=StorageProfileStatus)
    """What holds for claims of this class."""
