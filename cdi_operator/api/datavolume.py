"""DataVolume: a claim together with the data that is to be on it (spec 1.1)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cdi_operator.api.claims import PersistentVolumeClaimSpec, StorageSpec
from cdi_operator.api.conditions import Condition
from cdi_operator.api.model import Column, Definition, Int32, Model, Resource
from cdi_operator.api.sources import (
    BlankImage,
    GCSSource,
    HTTPSource,
    ImageIOSource,
    PVCSource,
    RegistrySource,
    S3Source,
    SnapshotSource,
    SourceRef,
    UploadSource,
    VDDKSource,
)
from cdi_operator.api.transfer import TransferStatus

ContentType = Literal["kubevirt", "archive"]

Phase = Literal[
    "",
    "Pending",
    "WaitForFirstConsumer",
    "PendingPopulation",
    "PVCBound",
    "ImportScheduled",
    "ImportInProgress",
    "Paused",
    "UploadScheduled",
    "UploadReady",
    "CloneScheduled",
    "CloneInProgress",
    "SnapshotForSmartCloneInProgress",
    "CloneFromSnapshotSourceInProgress",
    "CSICloneInProgress",
    "PrepClaimInProgress",
    "RebindInProgress",
    "SmartClonePVCInProgress",
    "ExpansionInProgress",
    "NamespaceTransferInProgress",
    "Succeeded",
    "Failed",
    "Unknown",
]
"""Every phase there is (spec 2.1); a plain string in the schema."""


class DataVolumeSource(Model):
    """Where the data comes from: exactly one of the members."""

    http: HTTPSource | None = None
    """An image or archive on a web server."""
    s3: S3Source | None = None
    """An object in an S3 bucket."""
    gcs: GCSSource | None = None
    """An object in a Google Cloud Storage bucket."""
    registry: RegistrySource | None = None
    """A disk in a container image."""
    pvc: PVCSource | None = None
    """A PersistentVolumeClaim to clone."""
    snapshot: SnapshotSource | None = None
    """A VolumeSnapshot to restore."""
    upload: UploadSource | None = None
    """Data that a client sends, for example with `virtctl image-upload`: upload: {}."""
    blank: BlankImage | None = None
    """An empty disk of the requested size: blank: {}."""
    imageio: ImageIOSource | None = None
    """A disk of an oVirt or Red Hat Virtualization engine."""
    vddk: VDDKSource | None = None
    """A disk of a VMware virtual machine."""


class Checkpoint(Model):
    """One stage of a warm import: what changed between two snapshots of the source."""

    previous: str
    """Snapshot that the stage before ended with; empty for the first stage."""
    current: str
    """Snapshot that this stage copies."""


class DataVolumeSpec(Model):
    """The volume that is wanted, and where its data comes from."""

    source: DataVolumeSource | None = None
    """Where the data comes from: exactly one of the members. Either this or sourceRef."""
    source_ref: SourceRef | None = None
    """A DataSource that says where the data comes from. Either this or source."""
    pvc: PersistentVolumeClaimSpec | None = None
    """The claim, taken literally. Either this or storage."""
    storage: StorageSpec | None = None
    """The claim, completed from the StorageProfile and made large enough for a disk. Either this or pvc."""
    priority_class_name: str | None = None
    """PriorityClass of the pods that move the data."""
    service_account_name: str | None = None
    """ServiceAccount of the pods that import or receive the data."""
    content_type: ContentType | None = None
    """What the data is: kubevirt, a disk image (default), or archive, a tar file that is unpacked onto the volume."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Stages of a warm import, in order. More may be added while the import is paused."""
    final_checkpoint: bool | None = None
    """The last of the checkpoints is the last of all: the import is complete after it."""
    preallocation: bool | None = None
    """Write or reserve the whole disk at once. Not given: as CDIConfig says."""


class DataVolumeStatus(Model):
    """DataVolumeStatus contains the current status of the DataVolume"""

    claim_name: str | None = None
    """Name of the claim that holds the data."""
    phase: str | None = None
    """How far the data is: from Pending over, for example, ImportInProgress to Succeeded."""
    progress: str | None = None
    """How much of the data has been moved, such as 45.00%; N/A where that is not known."""
    restart_count: Int32 | None = None
    """RestartCount is the number of times the pod populating the DataVolume has restarted"""
    conditions: tuple[Condition, ...] = ()
    """Bound: the claim has its volume. Running: data is being moved, or why not. Ready: the data is there. Failing,
    only there when it is so: the last attempt has failed and the next has not got further yet."""
    transfer: TransferStatus | None = None
    """What is happening, how fast, until when, and why not."""


class DataVolume(Resource):
    """A volume with data on it: a disk image or archive is fetched, received or cloned onto a PersistentVolumeClaim."""

    definition: ClassVar = Definition(
        kind="DataVolume",
        plural="datavolumes",
        short_names=("dv", "dvs"),
        categories=("all",),
        columns=(
            Column("Phase", ".status.phase"),
            Column("Progress", ".status.progress"),
            Column("Restarts", ".status.restartCount", "integer"),
            Column("Age", ".metadata.creationTimestamp", "date"),
            Column("Speed", ".status.transfer.speed", wide=True),
            Column("ETA", ".status.transfer.eta", wide=True),
            Column("Message", ".status.transfer.message", wide=True),
        ),
        status_subresource=True,
        selectable_fields=(".status.phase",),
    )

    spec: DataVolumeSpec
    """The volume that is wanted, and where its data comes from. Cannot be changed later, but for checkpoints."""
    status: DataVolumeStatus = Field(default_factory=DataVolumeStatus)
