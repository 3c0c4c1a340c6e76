"""The Node service: makes a volume of the store appear where the kubelet wants it.

A filesystem volume is mounted once at its staging path and bound from there to every pod; a block volume is a loop
device whose node is bound to a file for every pod. What is staged or published is asked of the kernel every time, so a
restart of this process, of the kubelet or of the machine leaves nothing here that could be wrong.
"""

import os
from pathlib import Path

from grpc import ServicerContext

from devcluster.csi import ext4, loop, mounts, requests
from devcluster.csi.errors import invalid, not_found, not_now
from devcluster.csi.generated import csi_pb2 as csi
from devcluster.csi.generated import csi_pb2_grpc
from devcluster.csi.identity import Flavour
from devcluster.csi.records import Volume
from devcluster.csi.volumes import Store

Capability = csi.NodeServiceCapability
OFFERED = (
    Capability.RPC.STAGE_UNSTAGE_VOLUME,
    Capability.RPC.GET_VOLUME_STATS,
    Capability.RPC.EXPAND_VOLUME,
    Capability.RPC.VOLUME_CONDITION,
    Capability.RPC.SINGLE_NODE_MULTI_WRITER,
)


class Node(csi_pb2_grpc.NodeServicer):
    def __init__(self, flavour: Flavour, store: Store) -> None:
        self._flavour = flavour
        self._store = store

    def NodeGetInfo(self, request: csi.NodeGetInfoRequest, context: ServicerContext) -> csi.NodeGetInfoResponse:
        return csi.NodeGetInfoResponse(node_id=self._flavour.node, accessible_topology=self._flavour.topology)

    def NodeGetCapabilities(
        self, request: csi.NodeGetCapabilitiesRequest, context: ServicerContext
    ) -> csi.NodeGetCapabilitiesResponse:
        return csi.NodeGetCapabilitiesResponse(
            capabilities=[Capability(rpc=Capability.RPC(type=kind)) for kind in OFFERED]
        )

    def NodeStageVolume(
        self, request: csi.NodeStageVolumeRequest, context: ServicerContext
    ) -> csi.NodeStageVolumeResponse:
        requests.require(request, "volume_id", "staging_target_path", "volume_capability")
        with self._store.holding(request.volume_id):
            volume = self._fitting(request)
            staging = Path(request.staging_target_path)
            if volume.mode == "block":
                loop.attach(self._store.image(volume))
            elif self._mounted(volume, staging) is None:
                staging.mkdir(parents=True, exist_ok=True)
                self._mount(volume, staging, tuple(request.volume_capability.mount.mount_flags))
        return csi.NodeStageVolumeResponse()

    def NodeUnstageVolume(
        self, request: csi.NodeUnstageVolumeRequest, context: ServicerContext
    ) -> csi.NodeUnstageVolumeResponse:
        requests.require(request, "volume_id", "staging_target_path")
        with self._store.holding(request.volume_id):
            mounts.unmount(Path(request.staging_target_path))
            volume = self._store.volumes.get(request.volume_id)
            if volume and volume.mode == "block" and (device := loop.find(self._store.image(volume))):
                loop.detach(device)
        return csi.NodeUnstageVolumeResponse()

    def NodePublishVolume(
        self, request: csi.NodePublishVolumeRequest, context: ServicerContext
    ) -> csi.NodePublishVolumeResponse:
        requests.require(request, "volume_id", "target_path", "volume_capability")
        with self._store.holding(request.volume_id):
            volume = self._fitting(request)
            staging, target = Path(request.staging_target_path), Path(request.target_path)
            device = loop.find(self._store.image(volume))
            if device is None or not (volume.mode == "block" or self._mounted(volume, staging)):
                raise not_now(f"volume {volume.id} is not staged at {staging}")
            if request.volume_capability.access_mode.mode == requests.Access.SINGLE_NODE_SINGLE_WRITER:
                _check_sole_user(device, staging, target)
            read_only = request.readonly or requests.is_read_only(request.volume_capability)
            if not (mount := mounts.at(target)):
                self._publish(volume, staging, target, read_only)
            elif not self._is_of(volume, mount):
                raise invalid(f"something else is mounted at {target}")
        return csi.NodePublishVolumeResponse()

    def NodeUnpublishVolume(
        self, request: csi.NodeUnpublishVolumeRequest, context: ServicerContext
    ) -> csi.NodeUnpublishVolumeResponse:
        requests.require(request, "volume_id", "target_path")
        target = Path(request.target_path)
        with self._store.holding(request.volume_id):
            mounts.unmount(target)
            # A device of its own was made for each volume that is published read-only; the last user takes it along.
            read_only_device = loop.find(self._store.volumes.image(request.volume_id), read_only=True)
            if read_only_device and not mounts.of(read_only_device):
                loop.detach(read_only_device)
            if target.is_dir():
                target.rmdir()
            else:
                target.unlink(missing_ok=True)
        return csi.NodeUnpublishVolumeResponse()

    def NodeExpandVolume(
        self, request: csi.NodeExpandVolumeRequest, context: ServicerContext
    ) -> csi.NodeExpandVolumeResponse:
        requests.require(request, "volume_id", "volume_path")
        with self._store.holding(request.volume_id):
            volume = self._store.volume(request.volume_id)
            device = self._published(volume, Path(request.volume_path))
            loop.grow(device)
            if volume.mode == "filesystem" and volume.filesystem_bytes < volume.size_bytes:
                ext4.grow_mounted(device)
                self._store.note_filesystem_fits(volume)
            return csi.NodeExpandVolumeResponse(capacity_bytes=volume.size_bytes)

    def NodeGetVolumeStats(
        self, request: csi.NodeGetVolumeStatsRequest, context: ServicerContext
    ) -> csi.NodeGetVolumeStatsResponse:
        requests.require(request, "volume_id", "volume_path")
        volume = self._store.volume(request.volume_id)
        path = Path(request.volume_path)
        device = self._published(volume, path)
        usage = _usage_of_filesystem(path) if volume.mode == "filesystem" else [self._usage_of_block(volume)]
        return csi.NodeGetVolumeStatsResponse(usage=usage, volume_condition=_condition(device))

    def _fitting(self, request: csi.NodeStageVolumeRequest | csi.NodePublishVolumeRequest) -> Volume:
        """The volume of the request, if it is of the mode that the request speaks of."""
        volume = self._store.volume(request.volume_id)
        if requests.mode_of(request.volume_capability) != volume.mode:
            raise invalid(f"volume {volume.id} is a {volume.mode} volume")
        return volume

    def _mount(self, volume: Volume, staging: Path, options: tuple[str, ...]) -> None:
        """Mount at the staging path; where the volume grew, or is larger than its source, the filesystem does first."""
        image = self._store.image(volume)
        if volume.filesystem_bytes < volume.size_bytes and not self._store.devices(volume.id):
            ext4.grow(image)
            self._store.note_filesystem_fits(volume)
        ext4.mount(image, staging, options)

    def _publish(self, volume: Volume, staging: Path, target: Path, read_only: bool) -> None:
        if volume.mode == "filesystem":
            target.mkdir(parents=True, exist_ok=True)
            mounts.bind(staging, target, read_only=read_only)
        else:
            # The bind mount of a device node cannot keep anybody from writing to the device: only the device can.
            device = loop.attach(self._store.image(volume), read_only=read_only)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
            mounts.bind(device.device, target, read_only=False)

    def _is_of(self, volume: Volume, mount: mounts.Mount) -> bool:
        return any(mounts.shows(device, mount) for device in self._store.devices(volume.id))

    def _mounted(self, volume: Volume, path: Path) -> mounts.Mount | None:
        mount = mounts.at(path)
        return mount if mount and self._is_of(volume, mount) else None

    def _published(self, volume: Volume, path: Path) -> loop.Loop:
        """The device that is seen at `path`, which must be one of the volume."""
        mount = mounts.at(path)
        for device in self._store.devices(volume.id):
            if mount and mounts.shows(device, mount):
                return device
        raise not_found(f"volume {volume.id} is not at {path}")

    def _usage_of_block(self, volume: Volume) -> csi.VolumeUsage:
        allocated_bytes = min(self._store.image(volume).stat().st_blocks * 512, volume.size_bytes)
        return csi.VolumeUsage(
            unit=csi.VolumeUsage.BYTES,
            total=volume.size_bytes,
            used=allocated_bytes,
            available=volume.size_bytes - allocated_bytes,
        )


def _condition(device: loop.Loop) -> csi.VolumeCondition:
    if errors := ext4.errors_of(device):
        return csi.VolumeCondition(abnormal=True, message=f"the filesystem has {errors} errors: see dmesg")
    return csi.VolumeCondition(abnormal=False, message="the volume is in order")


def _check_sole_user(device: loop.Loop, staging: Path, target: Path) -> None:
    allowed = {os.path.realpath(staging), os.path.realpath(target)}
    others = [mount.target for mount in mounts.of(device) if mount.target not in allowed]
    if others:
        raise not_now(f"the volume is for a single writer, and {others[0]} is one")


def _usage_of_filesystem(path: Path) -> list[csi.VolumeUsage]:
    seen = os.statvfs(path)
    return [
        csi.VolumeUsage(
            unit=csi.VolumeUsage.BYTES,
            total=seen.f_blocks * seen.f_frsize,
            available=seen.f_bavail * seen.f_frsize,
            used=(seen.f_blocks - seen.f_bfree) * seen.f_frsize,
        ),
        csi.VolumeUsage(
            unit=csi.VolumeUsage.INODES,
            total=seen.f_files,
            available=seen.f_favail,
            used=seen.f_files - seen.f_ffree,
        ),
    ]
