"""Where data can come from: the members of a DataVolume's or a population source's `source` (spec 1.1)."""

from __future__ import annotations

from pydantic import Field

from cdi_operator.api.model import Model


class HTTPSource(Model):
    """An image or archive on a web server."""

    url: str
    """Address of the file, http:// or https://. Compressed images (gz, xz, zst) are unpacked on the way."""
    secret_ref: str | None = None
    """Secret in the same namespace with the credentials: accessKeyId is the user, secretKey the password."""
    cert_config_map: str | None = None
    """ConfigMap in the same namespace with the CA certificates (PEM) that vouch for the server."""
    extra_headers: tuple[str, ...] = ()
    """Header lines added to every request, such as "X-Token: abc". For secret ones use secretExtraHeaders."""
    secret_extra_headers: tuple[str, ...] = ()
    """Secrets in the same namespace whose values are header lines added to every request."""
    checksum: str | None = None
    """What the file must hash to, as <algorithm>:<hex digits> with md5, sha1, sha256 or sha512. A mismatch is final."""
    insecure_skip_verify: bool | None = None
    """Accept any certificate of the server. Anybody between can then replace the image: for tests only."""


class S3Source(Model):
    """An object in an S3 bucket."""

    url: str
    """Address of the object, http:// or https://, with the bucket in the path or in the host name."""
    secret_ref: str | None = None
    """Secret in the same namespace with accessKeyId and secretKey. Without one the object is read anonymously."""
    cert_config_map: str | None = None
    """ConfigMap in the same namespace with the CA certificates (PEM) that vouch for the server."""


class GCSSource(Model):
    """An object in a Google Cloud Storage bucket."""

    url: str
    """Address of the object, gs://bucket/object or its https:// form."""
    secret_ref: str | None = None
    """Secret in the same namespace with a service account's credentials.json. Without one the object must be public."""


class PlatformOptions(Model):
    """Which image of a list for several platforms is meant."""

    architecture: str | None = None
    """Architecture of the image, such as amd64, arm64 or s390x. With pullMethod node, the node has it too."""


class RegistrySource(Model):
    """A disk in a container image, below /disk."""

    url: str | None = None
    """Address of the container image: docker://registry/name:tag, or oci-archive:path. Either this or imageStream."""
    image_stream: str | None = None
    """Name of an OpenShift ImageStream in the same namespace. Needs pullMethod node."""
    pull_method: str | None = None
    """Who pulls the image: pod, the importer (default); node, the container runtime with its credentials."""
    secret_ref: str | None = None
    """Secret in the same namespace with accessKeyId and secretKey for the registry. Used with pullMethod pod."""
    cert_config_map: str | None = None
    """ConfigMap with the CA certificates (PEM) that vouch for the registry."""
    platform: PlatformOptions | None = None
    """Which image of a multi-platform image is imported; the cluster's own architecture when not given."""


class PVCSource(Model):
    """A PersistentVolumeClaim to clone."""

    namespace: str
    """Namespace of the claim. Cloning from another namespace needs the right to create datavolumes/source there."""
    name: str
    """Name of the claim."""


class SnapshotSource(Model):
    """A VolumeSnapshot to restore."""

    namespace: str
    """Namespace of the snapshot. Cloning from another namespace needs the right to create datavolumes/source there."""
    name: str
    """Name of the snapshot."""


class UploadSource(Model):
    """Data that a client sends, for example with `virtctl image-upload`."""


class BlankImage(Model):
    """An empty disk of the requested size."""


class ImageIOSource(Model):
    """A disk of an oVirt or Red Hat Virtualization engine."""

    url: str
    """Address of the engine's API, such as https://engine.example.com/ovirt-engine/api."""
    disk_id: str
    """Identifier of the disk in the engine."""
    secret_ref: str | None = None
    """Secret in the same namespace with the engine's user (accessKeyId) and password (secretKey)."""
    cert_config_map: str | None = None
    """ConfigMap in the same namespace with the CA certificates (PEM) that vouch for the engine."""
    insecure_skip_verify: bool | None = None
    """Accept any certificate of the engine. For tests only."""


class VDDKSource(Model):
    """A disk of a VMware virtual machine, read through VMware's Virtual Disk Development Kit."""

    url: str | None = None
    """Address of the vCenter or ESXi host that has the machine."""
    uuid: str | None = None
    """UUID of the virtual machine."""
    backing_file: str | None = None
    """The disk's file in its datastore, such as "[datastore1] vm/vm.vmdk"."""
    thumbprint: str | None = None
    """SHA-1 thumbprint of the host's certificate."""
    secret_ref: str | None = None
    """Secret in the same namespace with the host's user (accessKeyId) and password (secretKey)."""
    cert_config_map: str | None = None
    """ConfigMap in the same namespace with the CA certificates (PEM) that vouch for the host."""
    init_image_url: str | None = Field(None, alias="initImageURL")
    """Container image with the VDDK library. Otherwise the one named in the ConfigMap v2v-vmware is used."""
    extra_args: str | None = None
    """ConfigMap in the same namespace with further settings for the VDDK library."""


class SourceRef(Model):
    """A reference to an object that says where the data is."""

    kind: str
    """Kind of the object: DataSource."""
    name: str
    """Name of the object."""
    namespace: str | None = None
    """Namespace of the object; the referring object's own when not given."""
