"""CDI: the installation itself (spec 1.6)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cdi_operator.api.cdiconfig import CDIConfigSpec
from cdi_operator.api.conditions import Condition
from cdi_operator.api.model import ATOMIC_LIST, Column, Definition, Facets, Int32, Model, Resource
from cdi_operator.api.placement import NodePlacement


class ComponentPlacement(NodePlacement):
    """Where the components of the installation run, and in how many copies."""

    deployment_replicas: Int32 | None = None
    """Copies of the controller, one of which leads."""
    api_server_replicas: Int32 | None = None
    """Copies of the API server that validates objects and hands out upload tokens."""
    upload_proxy_replicas: Int32 | None = None
    """Copies of the upload proxy."""


class CustomizePatch(Model):
    """A change to one object of the installation."""

    resource_name: Annotated[str, Facets(minLength=1)]
    """Name of the object."""
    resource_type: Annotated[str, Facets(minLength=1)]
    """Kind of the object, such as Deployment."""
    patch: str
    """The change, as JSON."""
    type: str
    """How the change is written: json, merge or strategic."""


class Flags(Model):
    """Further flags on the command lines of the components, by name and without the leading dash."""

    api: dict[str, str] = Field(default_factory=dict)
    """Flags of the API server."""
    controller: dict[str, str] = Field(default_factory=dict)
    """Flags of the controller."""
    upload_proxy: dict[str, str] = Field(default_factory=dict)
    """Flags of the upload proxy."""


class CustomizeComponents(Model):
    """Changes to the objects of the installation that survive upgrades."""

    patches: Annotated[tuple[CustomizePatch, ...], ATOMIC_LIST] = ()
    """Changes to single objects."""
    flags: Flags | None = None
    """Further flags on the command lines of the components."""


class CertLifetime(Model):
    """How long a certificate is valid."""

    duration: str | None = None
    """The whole lifetime, such as 24h."""
    renew_before: str | None = None
    """How long before the end of its lifetime it is replaced, such as 12h."""


class CertConfig(Model):
    """How long the certificates of the installation are valid."""

    ca: CertLifetime | None = None
    """Of the certificate authorities; 48h, replaced after 24h, when not given."""
    server: CertLifetime | None = None
    """Of servers; 24h, replaced after 12h, when not given."""
    client: CertLifetime | None = None
    """Of clients; 24h, replaced after 12h, when not given."""


class CDISpec(Model):
    """How the installation is to be."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the images of the installation are pulled."""
    uninstall_strategy: Literal["RemoveWorkloads", "BlockUninstallIfWorkloadsExist"] | None = None
    """What deleting this object does while there are DataVolumes: delete them too (default) or refuse."""
    infra: ComponentPlacement | None = None
    """Where the components of the installation run, and in how many copies."""
    workload: NodePlacement | None = None
    """Where the pods that move data run."""
    customize_components: CustomizeComponents | None = None
    """Changes to the objects of the installation that survive upgrades."""
    clone_strategy_override: Literal["copy", "snapshot", "csi-clone"] | None = None
    """How every volume is cloned, whatever its StorageProfile says."""
    config: CDIConfigSpec | None = None
    """The settings of the installation, copied to the CDIConfig `config`."""
    cert_config: CertConfig | None = None
    """How long the certificates of the installation are valid."""
    priority_class: str | None = None
    """PriorityClass of the components; kubevirt-cluster-critical when not given and there is one."""


class CDIStatus(Model):
    """CDIStatus defines the status of the installation"""

    phase: str | None = None
    """How far the installation is: Deploying, Deployed, Upgrading, Deleting, Deleted or Error."""
    conditions: tuple[Condition, ...] = ()
    """Available, Progressing and Degraded: whether the installation works, changes or has trouble."""
    operator_version: str | None = None
    """The version of the operator that looks after the installation."""
    target_version: str | None = None
    """The desired version of the resource"""
    observed_version: str | None = None
    """The version that is running completely."""


class CDI(Resource):
    """The installation of the containerized data importer. There is one; a second one goes to phase Error."""

    definition: ClassVar = Definition(
        kind="CDI",
        plural="cdis",
        scope="Cluster",
        deprecated_versions=("v1alpha1",),
        short_names=("cdi", "cdis"),
        columns=(Column("Age", ".metadata.creationTimestamp", "date"), Column("Phase", ".status.phase")),
        selectable_fields=(".status.phase",),
        labels={"operator.cdi.kubevirt.io": ""},
    )

    spec: CDISpec
    """How the installation is to be."""
    status: CDIStatus = Field(default_factory=CDIStatus)
