"""CDIConfig: the settings of the installation and what follows from them, one object called `config` (spec 1.5)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cdi_operator.api.model import ATOMIC_MAP, Definition, Facets, Int32, Model, Resource
from cdi_operator.api.resources import LocalObjectReference, ResourceRequirements

Percent = Annotated[str, Facets(pattern=r"^(0(?:\.\d{1,3})?|1)$")]
"""A share between 0 and 1 with at most three decimals, as text: "0.06"."""

ImagePullSecrets = tuple[Annotated[LocalObjectReference, ATOMIC_MAP], ...]


class FilesystemOverhead(Model):
    """The share of a filesystem volume that no disk image may use."""

    global_: Percent | None = Field(None, alias="global")
    """The share for classes that are not listed: a number from 0 to 1 such as "0.06"."""
    storage_class: dict[str, Percent] = Field(default_factory=dict)
    """The share for each StorageClass, by name."""


class ImportProxy(Model):
    """The proxy that images are fetched through."""

    http_proxy: str | None = Field(None, alias="HTTPProxy")
    """Proxy for http:// sources, as http://user:password@host:port."""
    https_proxy: str | None = Field(None, alias="HTTPSProxy")
    """Proxy for https:// sources, as http://user:password@host:port."""
    no_proxy: str | None = None
    """Hosts, domains and networks that are reached directly, separated by commas."""
    trusted_ca_proxy: str | None = Field(None, alias="trustedCAProxy")
    """ConfigMap in the installation's namespace with the CA certificates of a proxy that opens TLS connections."""


class OldTLSProfile(Model):
    """TLS 1.0 and newer, for very old clients."""


class IntermediateTLSProfile(Model):
    """TLS 1.2 and newer."""


class ModernTLSProfile(Model):
    """TLS 1.3 only."""


class CustomTLSProfile(Model):
    """A choice of one's own."""

    ciphers: Annotated[tuple[str, ...], Facets(x__kubernetes__list__type="atomic")]
    """Cipher suites that are offered, by their OpenSSL names."""
    min_tls_version: Literal["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"] = Field(
        alias="minTLSVersion"
    )
    """The oldest version of TLS that is accepted."""


class TLSSecurityProfile(Model):
    """Which versions and ciphers of TLS the servers of the installation accept."""

    type: Literal["Old", "Intermediate", "Modern", "Custom"] | None = None
    """Which profile holds; Intermediate when not given."""
    old: Annotated[OldTLSProfile | None, Facets(nullable=True)] = None
    """TLS 1.0 and newer, for very old clients."""
    intermediate: Annotated[IntermediateTLSProfile | None, Facets(nullable=True)] = None
    """TLS 1.2 and newer."""
    modern: Annotated[ModernTLSProfile | None, Facets(nullable=True)] = None
    """TLS 1.3 only."""
    custom: Annotated[CustomTLSProfile | None, Facets(nullable=True)] = None
    """Versions and ciphers of one's own choice."""


class CDIConfigSpec(Model):
    """The settings of the installation."""

    upload_proxy_url_override: str | None = Field(None, alias="uploadProxyURLOverride")
    """Address of the upload proxy for clients, where it is not the one of an Ingress or Route."""
    import_proxy: ImportProxy | None = None
    """The proxy that images are fetched through."""
    scratch_space_storage_class: str | None = None
    """StorageClass of scratch space. Not given: the class of the volume that is being filled."""
    pod_resource_requirements: ResourceRequirements | None = None
    """What the pods that move data may use and are promised; each value given replaces a default."""
    feature_gates: tuple[str, ...] = ()
    """Features that are switched on, such as HonorWaitForFirstConsumer and DataVolumeClaimAdoption."""
    webhook_pvc_rendering: str | None = None
    """Complete claims that are labelled cdi.kubevirt.io/applyStorageProfile: Enabled (default) or Disabled."""
    filesystem_overhead: FilesystemOverhead | None = None
    """The share of a filesystem volume that no disk image may use; 0.06 when not given."""
    preallocation: bool | None = None
    """Write or reserve whole disks at once, for DataVolumes that do not say; false when not given."""
    insecure_registries: tuple[str, ...] = ()
    """Registries, as host or host:port, whose certificates are not checked."""
    data_volume_ttl_seconds: Int32 | None = Field(None, alias="dataVolumeTTLSeconds")
    """Ignored: completed DataVolumes are not deleted."""
    tls_security_profile: TLSSecurityProfile | None = None
    """Which versions and ciphers of TLS the servers of the installation accept."""
    image_pull_secrets: ImagePullSecrets = ()
    """Secrets that the pods that move data pull their images with."""
    log_verbosity: Int32 | None = None
    """How much is logged: 1 is terse, 3 tells of every step."""


class CDIConfigStatus(Model):
    """CDIConfigStatus provides the most recently observed status of the CDI"""

    upload_proxy_url: str | None = Field(None, alias="uploadProxyURL")
    """The calculated upload proxy URL"""
    upload_proxy_ca: str | None = Field(None, alias="uploadProxyCA")
    """CA certificates (PEM) that the upload proxy's certificate can be checked against."""
    import_proxy: ImportProxy | None = None
    """The proxy that images are fetched through."""
    scratch_space_storage_class: str | None = None
    """StorageClass of scratch space; empty when none was given or the given one does not exist."""
    default_pod_resource_requirements: ResourceRequirements | None = None
    """What the pods that move data may use and are promised."""
    filesystem_overhead: FilesystemOverhead | None = None
    """The share of a filesystem volume that no disk image may use, with one entry for every StorageClass."""
    preallocation: bool | None = None
    """Whole disks are written or reserved at once, for DataVolumes that do not say."""
    image_pull_secrets: ImagePullSecrets = ()
    """Secrets that the pods that move data pull their images with."""


class CDIConfig(Resource):
    """The settings of the installation. Edit CDI.spec.config: it is copied here, and changes here are undone."""

    definition: ClassVar = Definition(kind="CDIConfig", plural="cdiconfigs", scope="Cluster")

    spec: CDIConfigSpec
    """The settings, copied from CDI.spec.config."""
    status: CDIConfigStatus = Field(default_factory=CDIConfigStatus)
