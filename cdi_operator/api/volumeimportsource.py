"""VolumeImportSource: what a claim is filled from when its dataSourceRef names this object (spec 1.8)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cdi_operator.api.datavolume import Checkpoint
from cdi_operator.api.model import Definition, Model, Resource
from cdi_operator.api.sources import (
    BlankImage,
    GCSSource,
    HTTPSource,
    ImageIOSource,
    RegistrySource,
    S3Source,
    VDDKSource,
)


class ImportSourceType(Model):
    """Where the data comes from: exactly one of the members."""

    http: HTTPSource | None = None
    """An image or archive on a web server."""
    s3: S3Source | None = None
    """An object in an S3 bucket."""
    gcs: GCSSource | None = None
    """An object in a Google Cloud Storage bucket."""
    registry: RegistrySource | None = None
    """A disk in a container image."""
    blank: BlankImage | None = None
    """An empty disk of the requested size: blank: {}."""
    imageio: ImageIOSource | None = None
    """A disk of an oVirt or Red Hat Virtualization engine."""
    vddk: VDDKSource | None = None
    """A disk of a VMware virtual machine."""


class VolumeImportSourceSpec(Model):
    """Where the data comes from and what it is."""

    source: ImportSourceType | None = None
    """Where the data comes from: exactly one of the members."""
    content_type: str | None = None
    """What the data is: kubevirt, a disk image (default), or archive, a tar file that is unpacked onto the volume."""
    preallocation: bool | None = None
    """Write or reserve the whole disk at once. Not given: as CDIConfig says."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Stages of a warm import, in order. More may be added while the import is paused."""
    final_checkpoint: bool | None = None
    """The last of the checkpoints is the last of all: the import is complete after it."""
    target_claim: str | None = None
    """For an import in stages: the one claim that is filled from this source."""


class VolumeImportSourceStatus(Model):
    """Nothing: the claim that is filled tells of the import."""


class VolumeImportSource(Resource):
    """A source of data for claims: a claim whose dataSourceRef names it is filled from it."""

    definition: ClassVar = Definition(kind="VolumeImportSource", plural="volumeimportsources")

    spec: VolumeImportSourceSpec
    """Where the data comes from and what it is. Cannot be changed later, but for checkpoints."""
    status: VolumeImportSourceStatus = Field(default_factory=VolumeImportSourceStatus)
