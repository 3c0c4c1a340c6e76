"""The Controller service: volumes and snapshots as Kubernetes asks for them, handed to the store.

There is no attaching: the only node that can use a volume is the one that this driver runs on.
"""

from collections.abc import Iterator

from grpc import ServicerContext

from devcluster.csi import requests
from devcluster.csi.errors import exhausted, unimplemented
from devcluster.csi.generated import csi_pb2 as csi
from devcluster.csi.generated import csi_pb2_grpc
from devcluster.csi.identity import Flavour
from devcluster.csi.records import Snapshot, Volume
from devcluster.csi.volumes import Store

Capability = csi.ControllerServiceCapability


class Controller(csi_pb2_grpc.ControllerServicer):
    def __init__(self, flavour: Flavour, store: Store) -> None:
        self._flavour = flavour
        self._store = store

    def ControllerGetCapabilities(
        self, request: csi.ControllerGetCapabilitiesRequest, context: ServicerContext
    ) -> csi.ControllerGetCapabilitiesResponse:
        return csi.ControllerGetCapabilitiesResponse(
            capabilities=[Capability(rpc=Capability.RPC(type=kind)) for kind in self._capabilities()]
        )

    def _capabilities(self) -> Iterator[Capability.RPC.Type]:
        rpc = Capability.RPC
        yield from (rpc.CREATE_DELETE_VOLUME, rpc.LIST_VOLUMES, rpc.GET_CAPACITY, rpc.EXPAND_VOLUME)
        yield rpc.SINGLE_NODE_MULTI_WRITER
        if self._flavour.snapshots:
            yield from (rpc.CREATE_DELETE_SNAPSHOT, rpc.LIST_SNAPSHOTS, rpc.GET_SNAPSHOT)
        if self._flavour.clones:
            yield rpc.CLONE_VOLUME

    def CreateVolume(self, request: csi.CreateVolumeRequest, context: ServicerContext) -> csi.CreateVolumeResponse:
        requests.require(request, "name")
        mode = requests.common_mode(request.volume_capabilities)
        wanted = request.accessibility_requirements.requisite
        if wanted and self._flavour.topology not in wanted:
            raise exhausted(f"volumes of this driver are on node {self._flavour.node} only")
        size = requests.size_range(request.capacity_range)
        volume = self._store.create_volume(request.name, size, mode, self._source(request.volume_content_source))
        return csi.CreateVolumeResponse(volume=self._volume(volume))

    def DeleteVolume(self, request: csi.DeleteVolumeRequest, context: ServicerContext) -> csi.DeleteVolumeResponse:
        requests.require(request, "volume_id")
        self._store.delete_volume(request.volume_id)
        return csi.DeleteVolumeResponse()

    def ControllerExpandVolume(
        self, request: csi.ControllerExpandVolumeRequest, context: ServicerContext
    ) -> csi.ControllerExpandVolumeResponse:
        requests.require(request, "volume_id", "capacity_range")
        volume = self._store.expand_volume(request.volume_id, requests.size_range(request.capacity_range))
        return csi.ControllerExpandVolumeResponse(
            # A block device has grown by now; a filesystem grows where it is mounted.
            capacity_bytes=volume.size_bytes,
            node_expansion_required=volume.mode == "filesystem",
        )

    def ValidateVolumeCapabilities(
        self, request: csi.ValidateVolumeCapabilitiesRequest, context: ServicerContext
    ) -> csi.ValidateVolumeCapabilitiesResponse:
        requests.require(request, "volume_id", "volume_capabilities")
        volume = self._store.volume(request.volume_id)
        if requests.common_mode(request.volume_capabilities) != volume.mode:
            return csi.ValidateVolumeCapabilitiesResponse(message=f"volume {volume.id} is a {volume.mode} volume")
        return csi.ValidateVolumeCapabilitiesResponse(
            confirmed=csi.ValidateVolumeCapabilitiesResponse.Confirmed(
                volume_context=request.volume_context,
                volume_capabilities=request.volume_capabilities,
                parameters=request.parameters,
            )
        )

    def ListVolumes(self, request: csi.ListVolumesRequest, context: ServicerContext) -> csi.ListVolumesResponse:
        found, token = requests.page(list(self._store.volumes), request.starting_token, request.max_entries)
        entries = [csi.ListVolumesResponse.Entry(volume=self._volume(volume)) for volume in found]
        return csi.ListVolumesResponse(entries=entries, next_token=token)

    def GetCapacity(self, request: csi.GetCapacityRequest, context: ServicerContext) -> csi.GetCapacityResponse:
        if request.HasField("accessible_topology") and request.accessible_topology != self._flavour.topology:
            return csi.GetCapacityResponse(available_capacity=0)
        pool = self._store.pool
        return csi.GetCapacityResponse(
            available_capacity=pool.free_bytes,
            maximum_volume_size={"value": pool.free_bytes},
            minimum_volume_size={"value": requests.MIB},
        )

    def CreateSnapshot(
        self, request: csi.CreateSnapshotRequest, context: ServicerContext
    ) -> csi.CreateSnapshotResponse:
        self._need("snapshots")
        requests.require(request, "name", "source_volume_id")
        snapshot = self._store.create_snapshot(request.name, request.source_volume_id)
        return csi.CreateSnapshotResponse(snapshot=_snapshot(snapshot))

    def DeleteSnapshot(
        self, request: csi.DeleteSnapshotRequest, context: ServicerContext
    ) -> csi.DeleteSnapshotResponse:
        self._need("snapshots")
        requests.require(request, "snapshot_id")
        self._store.delete_snapshot(request.snapshot_id)
        return csi.DeleteSnapshotResponse()

    def GetSnapshot(self, request: csi.GetSnapshotRequest, context: ServicerContext) -> csi.GetSnapshotResponse:
        self._need("snapshots")
        requests.require(request, "snapshot_id")
        return csi.GetSnapshotResponse(snapshot=_snapshot(self._store.snapshot(request.snapshot_id)))

    def ListSnapshots(self, request: csi.ListSnapshotsRequest, context: ServicerContext) -> csi.ListSnapshotsResponse:
        self._need("snapshots")
        matching = [
            snapshot
            for snapshot in self._store.snapshots
            if request.snapshot_id in ("", snapshot.id) and request.source_volume_id in ("", snapshot.volume)
        ]
        found, token = requests.page(matching, request.starting_token, request.max_entries)
        entries = [csi.ListSnapshotsResponse.Entry(snapshot=_snapshot(snapshot)) for snapshot in found]
        return csi.ListSnapshotsResponse(entries=entries, next_token=token)

    def _need(self, ability: str) -> None:
        if not getattr(self._flavour, ability):
            raise unimplemented(f"driver {self._flavour.name} offers no {ability}")

    def _source(self, content: csi.VolumeContentSource) -> str:
        match content.WhichOneof("type"):
            case "snapshot":
                self._need("snapshots")
                return str(content.snapshot.snapshot_id)
            case "volume":
                self._need("clones")
                return str(content.volume.volume_id)
        return ""

    def _volume(self, volume: Volume) -> csi.Volume:
        return csi.Volume(
            volume_id=volume.id,
            capacity_bytes=volume.size_bytes,
            content_source=_content_source(volume.source),
            accessible_topology=[self._flavour.topology],
        )


def _content_source(source: str) -> csi.VolumeContentSource | None:
    if not source:
        return None
    if source.startswith("snap-"):
        return csi.VolumeContentSource(snapshot={"snapshot_id": source})
    return csi.VolumeContentSource(volume={"volume_id": source})


def _snapshot(snapshot: Snapshot) -> csi.Snapshot:
    return csi.Snapshot(
        snapshot_id=snapshot.id,
        source_volume_id=snapshot.volume,
        size_bytes=snapshot.size_bytes,
        creation_time={"seconds": snapshot.created_ns // 10**9, "nanos": snapshot.created_ns % 10**9},
        ready_to_use=True,
    )
