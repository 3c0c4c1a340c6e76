"""DataImportCron: keeps the image behind a DataSource up to date with its origin (spec 1.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from cdi_operator.api.conditions import Condition
from cdi_operator.api.datavolume import DataVolumeSpec, DataVolumeStatus
from cdi_operator.api.model import Column, Definition, Facets, Int32, Model, Resource


class DataVolumeTemplate(Model):
    """A DataVolume as it is to be made for every new image."""

    api_version: str | None = None
    """Group and version of the template: cdi.kubevirt.io/v1beta1."""
    kind: str | None = None
    """Kind of the template: DataVolume."""
    metadata: dict[str, Any] | None = None
    """Not used: labels and annotations given here are dropped."""
    spec: DataVolumeSpec
    """The volume that is made for every new image, and where the image comes from: a registry or a claim."""
    status: DataVolumeStatus | None = None
    """Not used."""


class DataImportCronSpec(Model):
    """What is polled, how often, and what is kept."""

    template: DataVolumeTemplate
    """The DataVolume that is made for every new image. Its source is a registry or a claim."""
    schedule: str
    """When to look for a new image, as a cron schedule such as "0 3 * * *" (in UTC). Empty: only when told to."""
    garbage_collect: str | None = None
    """What becomes of older images: Outdated (default) keeps the newest importsToKeep, Never keeps them all."""
    imports_to_keep: Int32 | None = None
    """How many of the newest images are kept; 3 when not given."""
    managed_data_source: str
    """Name of the DataSource, in the same namespace, that always stands for the newest image."""
    retention_policy: str | None = None
    """What becomes of the images when this object is deleted: All (default) keeps them, None deletes them."""
    service_account_name: Annotated[str | None, Facets(minLength=1)] = None
    """ServiceAccount in whose name a source claim is cloned; `default` when not given."""


class ImportStatus(Model):
    """An import of one version of the image."""

    data_volume_name: str = Field(alias="DataVolumeName")
    """Name of the DataVolume that the version is imported to."""
    digest: str = Field(alias="Digest")
    """Digest of the version."""


class ImportedClaim(Model):
    """The claim that holds an image."""

    namespace: str
    """Namespace of the claim."""
    name: str
    """Name of the claim."""


class DataImportCronStatus(Model):
    """How up to date the image is."""

    current_imports: tuple[ImportStatus, ...] = ()
    """The import of the newest version, under way or done."""
    last_imported_pvc: ImportedClaim | None = Field(None, alias="lastImportedPVC")
    """The claim with the newest version that was imported completely."""
    last_execution_timestamp: datetime | None = None
    """When the origin was last looked at."""
    last_import_timestamp: datetime | None = None
    """When an import was last completed."""
    source_format: str | None = None
    """How images are kept: as pvc or as snapshot, whatever the storage clones best."""
    conditions: tuple[Condition, ...] = ()
    """Progressing: an import is under way. UpToDate: the newest version is there, or why not."""


class DataImportCron(Resource):
    """Looks for new versions of an image, imports them, and keeps a DataSource standing for the newest."""

    definition: ClassVar = Definition(
        kind="DataImportCron",
        plural="dataimportcrons",
        short_names=("dic", "dics"),
        categories=("all",),
        columns=(Column("Format", ".status.sourceFormat"),),
        selectable_fields=(".spec.managedDataSource",),
    )

    spec: DataImportCronSpec
    """What is polled, how often, and what is kept. Cannot be changed later."""
    status: DataImportCronStatus = Field(default_factory=DataImportCronStatus)
    """How up to date the image is."""
