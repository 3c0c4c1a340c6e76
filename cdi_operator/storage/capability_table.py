"""What the storage products of the field can do: the table behind `capabilities` (spec 4.9), as data.

A key is a provisioner, refined by a variant where the parameters of the StorageClass matter. Modes are in the order of
preference.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

RWX_B = ("ReadWriteMany", "Block")
RWO_B = ("ReadWriteOnce", "Block")
ROX_B = ("ReadOnlyMany", "Block")
RWX_F = ("ReadWriteMany", "Filesystem")
RWO_F = ("ReadWriteOnce", "Filesystem")
ROX_F = ("ReadOnlyMany", "Filesystem")

CloneStrategy = Literal["copy", "snapshot", "csi-clone"]
SourceFormat = Literal["pvc", "snapshot"]


class Row(NamedTuple):
    modes: tuple[tuple[str, str], ...] = ()
    clone: CloneStrategy | None = None
    cron: SourceFormat | None = None
    minimum_size: str | None = None


_SHARED_FS = (RWX_F, RWO_F)
_SHARED_FS_AND_ROX = (RWX_F, RWO_F, ROX_F)
_SHARED_BLOCK = (RWX_B, RWO_B, RWO_F)
_SHARED_BLOCK_AND_ROX = (RWX_B, RWO_B, RWO_F, ROX_B)
_ALL_BUT_SHARED_FS = (RWX_B, RWO_B, RWO_F, ROX_B, ROX_F)
_PORTWORX = (RWX_B, RWX_F, RWO_B, RWO_F)
_SINGLE = (RWO_B, RWO_F)

TABLE: dict[str, Row] = {
    "block.csi.ibm.com": Row(_SHARED_BLOCK, "csi-clone"),
    "blockvolume.csi.oraclecloud.com": Row(_SHARED_BLOCK, "csi-clone"),
    "cephfs.csi.ceph.com": Row(_SHARED_FS, "csi-clone"),
    "cinder.csi.openstack.org": Row(_SINGLE),
    "csi-isilon.dellemc.com": Row(_SHARED_FS_AND_ROX, "csi-clone"),
    "csi-powermax.dellemc.com": Row(_SHARED_BLOCK_AND_ROX, "csi-clone"),
    "csi-powermax.dellemc.com/nfs": Row(_SHARED_FS_AND_ROX),
    "csi-powerstore.dellemc.com": Row(_SHARED_BLOCK_AND_ROX, "copy"),
    "csi-powerstore.dellemc.com/nfs": Row(_SHARED_FS_AND_ROX),
    "csi-unity.dellemc.com": Row(_ALL_BUT_SHARED_FS),
    "csi-unity.dellemc.com/nfs": Row(_SHARED_FS_AND_ROX),
    "csi-vxflexos.dellemc.com": Row(_ALL_BUT_SHARED_FS, "csi-clone"),
    "csi-vxflexos.dellemc.com/nfs": Row(_SHARED_FS_AND_ROX),
    "csi.hpe.com": Row(_SHARED_BLOCK, "csi-clone"),
    "csi.huawei.com": Row(_ALL_BUT_SHARED_FS),
    "csi.huawei.com/nfs": Row(_SHARED_FS_AND_ROX),
    "csi.ovirt.org": Row(_SINGLE),
    "csi.san.synology.com/iscsi": Row(_SHARED_BLOCK, "csi-clone", minimum_size="1Gi"),
    "csi.san.synology.com/nfs": Row(_SHARED_FS, "csi-clone", minimum_size="1Gi"),
    "csi.san.synology.com/smb": Row(_SHARED_FS, "csi-clone", minimum_size="1Gi"),
    "csi.trident.netapp.io/gcnv-flex": Row(_SHARED_FS, "snapshot", "snapshot", "1Gi"),
    "csi.trident.netapp.io/ontap-nas": Row(_SHARED_FS, "snapshot", "snapshot"),
    "csi.trident.netapp.io/ontap-san": Row((RWX_B,), "snapshot", "snapshot"),
    "csi.vsphere.vmware.com": Row(_SINGLE),
    "csi.vsphere.vmware.com/nfs": Row((RWX_F, RWO_B, RWO_F)),
    "directpv-min-io": Row((RWO_F,)),
    "disk.csi.azure.com": Row((RWO_B,)),
    "driver.longhorn.io": Row((RWO_B,)),
    "driver.longhorn.io/fs": Row((RWO_F,)),
    "driver.longhorn.io/migratable": Row((RWX_B, RWO_B)),
    "driver.longhorn.io/nfs": Row(_SHARED_FS),
    "ebs.csi.aws.com": Row((RWO_B,)),
    "ebs.csi.aws.com/gp": Row((RWO_B,), minimum_size="1Gi"),
    "ebs.csi.aws.com/io1": Row((RWO_B,), minimum_size="4Gi"),
    "ebs.csi.aws.com/io2": Row(_SHARED_BLOCK, minimum_size="4Gi"),
    "efs.csi.aws.com": Row(_SHARED_FS),
    "file.csi.azure.com": Row((RWX_F,)),
    "hspc.csi.hitachi.com": Row(_SHARED_BLOCK, "csi-clone", minimum_size="1Gi"),
    "infinibox-csi-driver/iscsiorfibrechannel": Row(_SHARED_BLOCK, "csi-clone"),
    "infinibox-csi-driver/nfs": Row(_SHARED_FS, "csi-clone"),
    "infinibox-csi-driver/nvme": Row(_SHARED_BLOCK, "csi-clone"),
    "k8s-sigs.io/nfs-subdir-external-provisioner": Row((RWX_F,)),
    "k8s.io/minikube-hostpath": Row((RWO_F,)),
    "kubernetes.io/aws-ebs": Row((RWO_B,)),
    "kubernetes.io/azure-disk": Row((RWO_B,)),
    "kubernetes.io/azure-file": Row((RWX_F,)),
    "kubernetes.io/gce-pd": Row(_SINGLE),
    "kubernetes.io/portworx-volume": Row(_PORTWORX),
    "kubernetes.io/portworx-volume/nfs": Row(_SHARED_FS),
    "kubernetes.io/rbd": Row(_SHARED_BLOCK),
    "kubernetes.io/storageos": Row((RWO_F,)),
    "kubesan.gitlab.io": Row((RWX_B, ROX_B, RWO_B, RWO_F), "csi-clone"),
    "kubevirt.io.hostpath-provisioner": Row((RWO_F,)),
    "kubevirt.io.hostpath-provisioner/overlay": Row((RWX_F,)),
    "kubevirt.io/hostpath-provisioner": Row((RWO_F,)),
    "linstor.csi.linbit.com": Row(_ALL_BUT_SHARED_FS),
    "manila.csi.openstack.org": Row((RWX_F,)),
    "nfs.csi.k8s.io": Row((RWX_F,)),
    "openshift-storage.cephfs.csi.ceph.com": Row(_SHARED_FS, "csi-clone"),
    "openshift-storage.rbd.csi.ceph.com": Row(_SHARED_BLOCK, "csi-clone", "snapshot"),
    "pd.csi.storage.gke.io": Row(_SINGLE, "snapshot", "snapshot"),
    "pd.csi.storage.gke.io/hyperdisk": Row(_SHARED_BLOCK, "snapshot", "snapshot", "4Gi"),
    "pxd.portworx.com": Row(_PORTWORX, "csi-clone"),
    "pxd.portworx.com/nfs": Row(_SHARED_FS, "csi-clone"),
    "pxd.portworx.com/pure_block": Row(_SHARED_BLOCK, "csi-clone"),
    "pxd.portworx.com/pure_fa_file": Row(_SHARED_FS, "csi-clone"),
    "rbd.csi.ceph.com": Row(_SHARED_BLOCK, "csi-clone"),
    "rook-ceph.cephfs.csi.ceph.com": Row(_SHARED_FS, "csi-clone"),
    "rook-ceph.rbd.csi.ceph.com": Row(_SHARED_BLOCK, "csi-clone", "snapshot"),
    "spectrumscale.csi.ibm.com": Row(_SHARED_FS, "csi-clone"),
    "storageos": Row((RWO_F,)),
    "topolvm.cybozu.com": Row(_SINGLE, "copy"),
    "topolvm.io": Row(_SINGLE, "copy"),
    "vpc.block.csi.ibm.io": Row(_SINGLE, "copy"),
    "vpc.file.csi.ibm.io": Row(_SHARED_FS, "snapshot", "snapshot"),
    "vpc.file.csi.ibm.io/dp2": Row(_SHARED_FS, "snapshot", "snapshot", "10Gi"),
    "vpc.file.csi.ibm.io/dp2-rwo": Row((RWO_F,), "snapshot", "snapshot", "10Gi"),
    "vpc.file.csi.ibm.io/rfs": Row(_SHARED_FS, "snapshot", "snapshot", "1Gi"),
    "vpc.file.csi.ibm.io/rfs-rwo": Row((RWO_F,), "snapshot", "snapshot", "1Gi"),
}

MINIMUM_SIZE_ONLY = {"xspc.csi.hpe.com": "1Gi"}
"""Products of which nothing but the smallest volume is known."""

CRON_READ_WRITE_ONCE = frozenset({"pd.csi.storage.gke.io", "pd.csi.storage.gke.io/hyperdisk"})
"""Where an image that a DataImportCron keeps must not be imported to a shared volume."""

CRON_SNAPSHOT_CLASS_PARAMETERS = {
    "pd.csi.storage.gke.io": {"snapshot-type": "images"},
    "pd.csi.storage.gke.io/hyperdisk": {"snapshot-type": "images"},
}
"""What the VolumeSnapshotClass for images that a DataImportCron keeps must have among its parameters."""

NO_PROVISIONER = "kubernetes.io/no-provisioner"
"""Volumes made by hand: what they can do is on the PersistentVolumes."""

UNSUPPORTED = frozenset(
    {
        NO_PROVISIONER,
        "openshift-storage.ceph.rook.io/bucket",
        "openshift-storage.noobaa.io/obc",
        "rook-ceph.ceph.rook.io/bucket",
        "stork-snapshot",
    }
)
"""Not for virtual machine disks, or not known beforehand: nobody is alarmed when their profile is incomplete."""
