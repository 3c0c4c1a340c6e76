"""The population sources of forklift, which migrates machines from oVirt and OpenStack (spec 1.8)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cdi_operator.api.model import Definition, Model, Resource

GROUP = "forklift.cdi.kubevirt.io"


class OvirtVolumePopulatorSpec(Model):
    """A disk of an oVirt engine."""

    engine_url: str
    """Address of the engine, such as https://engine.example.com."""
    secret_ref: str
    """Secret in the same namespace with the credentials for the engine."""
    disk_id: str
    """Identifier of the disk in the engine."""
    transfer_network: str | None = None
    """Network that the data is fetched through: namespace/name of a NetworkAttachmentDefinition."""


class OpenstackVolumePopulatorSpec(Model):
    """An image of an OpenStack cloud."""

    identity_url: str
    """Address of the cloud's identity service."""
    secret_ref: str
    """Secret in the same namespace with the credentials for the cloud."""
    image_id: str
    """Identifier of the image in the cloud."""
    transfer_network: str | None = None
    """Network that the data is fetched through: namespace/name of a NetworkAttachmentDefinition."""


class PopulatorStatus(Model):
    """How far the transfer is."""

    progress: str | None = None
    """How much of the data has been fetched, in percent."""


class OvirtVolumePopulator(Resource):
    """A source of data for claims: a claim whose dataSourceRef names it is filled from a disk of an oVirt engine."""

    definition: ClassVar = Definition(
        kind="OvirtVolumePopulator", plural="ovirtvolumepopulators", group=GROUP, short_names=("ovvp", "ovvps")
    )

    spec: OvirtVolumePopulatorSpec
    """The disk and how to reach it."""
    status: PopulatorStatus = Field(default_factory=PopulatorStatus)
    """How far the transfer is."""


class OpenstackVolumePopulator(Resource):
    """A source of data for claims: a claim whose dataSourceRef names it is filled from an OpenStack cloud's image."""

    definition: ClassVar = Definition(
        kind="OpenstackVolumePopulator",
        plural="openstackvolumepopulators",
        group=GROUP,
        short_names=("osvp", "osvps"),
    )

    spec: OpenstackVolumePopulatorSpec
    """The image and how to reach it."""
    status: PopulatorStatus = Field(default_factory=PopulatorStatus)
    """How far the transfer is."""
