"""VolumeUploadSource: a claim whose dataSourceRef names this object waits for a client's upload (spec 1.8)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cdi_operator.api.model import Definition, Model, Resource


class VolumeUploadSourceSpec(Model):
    """What the data is."""

    content_type: str | None = None
    """What the data is: kubevirt, a disk image (default), or archive, a tar file that is unpacked onto the volume."""
    preallocation: bool | None = None
    """Write or reserve the whole disk at once. Not given: as CDIConfig says."""


class VolumeUploadSourceStatus(Model):
    """Nothing: the claim that is filled tells of the upload."""


class VolumeUploadSource(Resource):
    """Makes a claim whose dataSourceRef names it wait for data that a client sends."""

    definition: ClassVar = Definition(kind="VolumeUploadSource", plural="volumeuploadsources")

    spec: VolumeUploadSourceSpec
    """What the data is. Cannot be changed later."""
    status: VolumeUploadSourceStatus = Field(default_factory=VolumeUploadSourceStatus)
