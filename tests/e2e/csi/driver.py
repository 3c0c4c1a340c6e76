"""A driver of the dev cluster as a real process on a pool of its own, and the calls that Kubernetes makes to it."""

import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from devcluster.csi import clean, loop
from devcluster.csi.generated import csi_pb2 as csi
from devcluster.csi.generated.csi_pb2_grpc import ControllerStub, IdentityStub, NodeStub

START_TIMEOUT_S = 30
MIB = 1 << 20

Access = csi.VolumeCapability.AccessMode


@dataclass
class Driver:
    """A running driver, and the calls that Kubernetes makes for one volume; paths are below `home`."""

    home: Path
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.home / "csi.sock"

    @property
    def data(self) -> Path:
        return self.home / "data"

    def start(self) -> None:
        command = [sys.executable, "-m", "devcluster.csi", "driver", "--endpoint", f"unix://{self.socket}"]
        command += ["--node-id", "node-1", "--data", str(self.data), "--kubelet-root", str(self.home / "kubelet")]
        with open(self.home / "driver.log", "ab") as log:
            self.process = subprocess.Popen([*command, *self.arguments], stderr=log)
        # The first tries find no socket yet: the next one should not be a second later.
        backoff = [(f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min", "max")]
        self.channel = grpc.insecure_channel(f"unix://{self.socket}", backoff)
        self.identity, self.controller = IdentityStub(self.channel), ControllerStub(self.channel)
        self.node = NodeStub(self.channel)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        ready, ended = threading.Event(), threading.Event()
        grpc.channel_ready_future(self.channel).add_done_callback(lambda _: ready.set())

        def watch() -> None:
            self.process.wait()
            ended.set()
            ready.set()

        threading.Thread(target=watch, daemon=True).start()
        if not ready.wait(START_TIMEOUT_S) or ended.is_set():
            pytest.fail(f"the driver did not start: {(self.home / 'driver.log').read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.channel.close()
        self.process.send_signal(number)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def restart(self, number: int = signal.SIGKILL) -> None:
        self.stop(number)
        self.socket.unlink(missing_ok=True)
        self.start()

    def create(
        self,
        name: str,
        size_bytes: int = 64 * MIB,
        *,
        block: bool = False,
        source: csi.VolumeContentSource | None = None,
    ) -> csi.Volume:
        request = csi.CreateVolumeRequest(
            name=name,
            capacity_range={"required_bytes": size_bytes},
            volume_capabilities=[capability(block)],
            volume_content_source=source,
        )
        volume: csi.Volume = self.controller.CreateVolume(request).volume
        return volume

    def snapshot(self, name: str, volume: csi.Volume) -> csi.Snapshot:
        request = csi.CreateSnapshotRequest(name=name, source_volume_id=volume.volume_id)
        snapshot: csi.Snapshot = self.controller.CreateSnapshot(request).snapshot
        return snapshot

    def expand(self, volume: csi.Volume, size_bytes: int) -> csi.ControllerExpandVolumeResponse:
        request = csi.ControllerExpandVolumeRequest(
            volume_id=volume.volume_id, capacity_range={"required_bytes": size_bytes}
        )
        expanded: csi.ControllerExpandVolumeResponse = self.controller.ControllerExpandVolume(request)
        return expanded

    def delete(self, volume: csi.Volume) -> None:
        self.controller.DeleteVolume(csi.DeleteVolumeRequest(volume_id=volume.volume_id))

    def stage(self, volume: csi.Volume, *, block: bool = False, mode: Access.Mode = Access.SINGLE_NODE_WRITER) -> Path:
        staging = self.home / "staging" / volume.volume_id
        staging.mkdir(parents=True, exist_ok=True)
        self.node.NodeStageVolume(
            csi.NodeStageVolumeRequest(
                volume_id=volume.volume_id, staging_target_path=str(staging), volume_capability=capability(block, mode)
            )
        )
        return staging

    def publish(
        self,
        volume: csi.Volume,
        pod: str = "pod",
        *,
        block: bool = False,
        readonly: bool = False,
        mode: Access.Mode = Access.SINGLE_NODE_WRITER,
    ) -> Path:
        """Stage and publish, as for a new pod; the directory or device that the pod would see."""
        staging, target = self.stage(volume, block=block, mode=mode), self.home / pod / volume.volume_id
        self.node.NodePublishVolume(
            csi.NodePublishVolumeRequest(
                volume_id=volume.volume_id,
                staging_target_path=str(staging),
                target_path=str(target),
                volume_capability=capability(block, mode),
                readonly=readonly,
            )
        )
        return target

    def unpublish(self, volume: csi.Volume, pod: str = "pod") -> None:
        target = self.home / pod / volume.volume_id
        self.node.NodeUnpublishVolume(
            csi.NodeUnpublishVolumeRequest(volume_id=volume.volume_id, target_path=str(target))
        )

    def unstage(self, volume: csi.Volume) -> None:
        staging = self.home / "staging" / volume.volume_id
        self.node.NodeUnstageVolume(
            csi.NodeUnstageVolumeRequest(volume_id=volume.volume_id, staging_target_path=str(staging))
        )

    def release(self, volume: csi.Volume, pod: str = "pod") -> None:
        """What the kubelet does after the last pod; its device may stay for a moment, which is waited for."""
        self.unpublish(volume, pod)
        self.unstage(volume)
        if device := loop.find(self.data / "pool" / "volumes" / f"{volume.volume_id}.img"):
            clean.wait_until_gone(device)

    def grow_on_node(self, volume: csi.Volume, path: Path) -> None:
        self.node.NodeExpandVolume(csi.NodeExpandVolumeRequest(volume_id=volume.volume_id, volume_path=str(path)))

    def stats(self, volume: csi.Volume, path: Path) -> csi.NodeGetVolumeStatsResponse:
        request = csi.NodeGetVolumeStatsRequest(volume_id=volume.volume_id, volume_path=str(path))
        stats: csi.NodeGetVolumeStatsResponse = self.node.NodeGetVolumeStats(request)
        return stats


def capability(block: bool, mode: Access.Mode = Access.SINGLE_NODE_WRITER) -> csi.VolumeCapability:
    access = Access(mode=mode)
    if block:
        return csi.VolumeCapability(block={}, access_mode=access)
    return csi.VolumeCapability(mount={}, access_mode=access)
