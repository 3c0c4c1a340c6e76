"""What a StorageClass can do: the modes it offers, how its volumes are best cloned, how small they may be (spec 4.9).

The table is keyed by provisioner. Where a provisioner stands for several products, one function below picks the variant
from the parameters of the class; a provisioner that needs parameters and has none that we know is told apart from one
that nobody has heard of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from cdi_operator.storage.capability_table import (
    CRON_READ_WRITE_ONCE,
    CRON_SNAPSHOT_CLASS_PARAMETERS,
    MINIMUM_SIZE_ONLY,
    NO_PROVISIONER,
    TABLE,
    UNSUPPORTED,
    CloneStrategy,
    Row,
    SourceFormat,
)

Recognition = Literal["RecognizedProvisioner", "UnrecognizedProvisioner", "UnrecognizedStorageClassParameters"]
Parameters = Mapping[str, str]


@dataclass(frozen=True)
class Modes:
    """One way in which a class offers volumes."""

    access_mode: str
    volume_mode: str


@dataclass(frozen=True)
class Capabilities:
    """What is known of a StorageClass. Empty or None: nothing is known, and the user's or the general rule decides."""

    key: str
    recognition: Recognition
    modes: tuple[Modes, ...]
    """In the order of preference."""
    clone_strategy: CloneStrategy | None
    cron_source_format: SourceFormat | None
    """How a DataImportCron should keep its images; `snapshot` needs a VolumeSnapshotClass."""
    minimum_size: str | None
    """The smallest volume, a quantity."""
    cron_read_write_once: bool
    """DataImportCrons ask for ReadWriteOnce whatever is preferred otherwise."""
    cron_snapshot_class_parameters: Parameters
    """What the VolumeSnapshotClass of DataImportCrons must have among its parameters."""
    supported: bool
    """False: nobody is alarmed when its profile is incomplete."""


def capabilities_of(provisioner: str, parameters: Parameters | None = None) -> Capabilities:
    """What the table says of a StorageClass; what `kubernetes.io/no-provisioner` offers is on its volumes, not here."""
    variant = _VARIANTS.get(provisioner)
    key = variant(provisioner, parameters or {}) if variant else provisioner
    row = TABLE.get(key) if key else None
    return Capabilities(
        key=key or provisioner,
        recognition=_recognition(provisioner, key, row),
        modes=tuple(Modes(*pair) for pair in row.modes) if row else (),
        clone_strategy=row.clone if row else None,
        cron_source_format=row.cron if row else None,
        minimum_size=row.minimum_size if row else MINIMUM_SIZE_ONLY.get(provisioner),
        cron_read_write_once=key in CRON_READ_WRITE_ONCE,
        cron_snapshot_class_parameters=CRON_SNAPSHOT_CLASS_PARAMETERS.get(key or "", {}),
        supported=provisioner not in UNSUPPORTED,
    )


def _recognition(provisioner: str, key: str | None, row: Row | None) -> Recognition:
    if key is None:
        return "UnrecognizedStorageClassParameters"
    return "RecognizedProvisioner" if row or provisioner == NO_PROVISIONER else "UnrecognizedProvisioner"


# Each gets (provisioner, parameters) and gives the key, or None when the parameters name nothing that we know.


def _hostpath(provisioner: str, parameters: Parameters) -> str:
    return f"{provisioner}/overlay" if "overlayCSI" in parameters else provisioner


def _portworx(provisioner: str, parameters: Parameters) -> str:
    if "backend" in parameters:
        pure = parameters["backend"] in ("pure_block", "pure_fa_file") and provisioner == "pxd.portworx.com"
        return f"{provisioner}/{parameters['backend']}" if pure else provisioner
    options = parameters.get("sharedv4_mount_options", "").split(",")
    return f"{provisioner}/nfs" if {"vers=3.0", "nolock"} <= {option.strip() for option in options} else provisioner


def _trident(provisioner: str, parameters: Parameters) -> str | None:
    backend = parameters.get("backendType", "")
    for family in ("ontap-nas", "ontap-san"):
        if backend.startswith(family):
            return f"{provisioner}/{family}"
    selected = {label.strip() for label in parameters.get("selector", "").split(";")}
    if backend == "google-cloud-netapp-volumes" and "performance=flex" in selected:
        return f"{provisioner}/gcnv-flex"
    return None


def _infinibox(provisioner: str, parameters: Parameters) -> str | None:
    variants = {
        "iscsi": "iscsiorfibrechannel",
        "fc": "iscsiorfibrechannel",
        "nvme": "nvme",
        "nfs": "nfs",
        "nfs_treeq": "nfs",
    }
    variant = variants.get(parameters.get("storage_protocol", ""))
    return f"{provisioner}/{variant}" if variant else None


def _synology(provisioner: str, parameters: Parameters) -> str | None:
    protocol = parameters.get("protocol") or "iscsi"
    return f"{provisioner}/{protocol}" if protocol in ("iscsi", "nfs", "smb") else None


def _nfs_by_filesystem(provisioner: str, parameters: Parameters) -> str:
    filesystem = parameters.get("csi.storage.k8s.io/fstype", "").lower()
    return f"{provisioner}/nfs" if filesystem.startswith("nfs") else provisioner


def _nfs_by_protocol(provisioner: str, parameters: Parameters) -> str:
    return f"{provisioner}/nfs" if parameters.get("protocol", "").lower() == "nfs" else provisioner


def _longhorn(provisioner: str, parameters: Parameters) -> str:
    if parameters.get("migratable") == "true":
        return f"{provisioner}/migratable"
    if "nfsOptions" in parameters:
        return f"{provisioner}/nfs"
    return f"{provisioner}/fs" if "fsType" in parameters else provisioner


def _ebs(provisioner: str, parameters: Parameters) -> str:
    variants = {"io1": "io1", "io2": "io2", "gp2": "gp", "gp3": "gp"}
    variant = variants.get(parameters.get("type", ""))
    return f"{provisioner}/{variant}" if variant else provisioner


def _gke(provisioner: str, parameters: Parameters) -> str:
    hyperdisk = parameters.get("type") in ("hyperdisk-balanced", "hyperdisk-balanced-high-availability")
    return f"{provisioner}/hyperdisk" if hyperdisk else provisioner


def _ibm_file(provisioner: str, parameters: Parameters) -> str:
    profile = parameters.get("profile", "")
    if profile not in ("dp2", "rfs"):
        return provisioner
    return f"{provisioner}/{profile}{'-rwo' if parameters.get('vmState') == 'true' else ''}"


_VARIANTS: dict[str, Callable[[str, Parameters], str | None]] = {
    "csi-powermax.dellemc.com": _nfs_by_filesystem,
    "csi-powerstore.dellemc.com": _nfs_by_filesystem,
    "csi-unity.dellemc.com": _nfs_by_protocol,
    "csi-vxflexos.dellemc.com": _nfs_by_filesystem,
    "csi.huawei.com": _nfs_by_protocol,
    "csi.san.synology.com": _synology,
    "csi.trident.netapp.io": _trident,
    "csi.vsphere.vmware.com": _nfs_by_filesystem,
    "driver.longhorn.io": _longhorn,
    "ebs.csi.aws.com": _ebs,
    "infinibox-csi-driver": _infinibox,
    "kubernetes.io/portworx-volume": _portworx,
    "kubevirt.io.hostpath-provisioner": _hostpath,
    "pd.csi.storage.gke.io": _gke,
    "pxd.portworx.com": _portworx,
    "vpc.file.csi.ibm.io": _ibm_file,
}
