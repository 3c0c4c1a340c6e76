"""The Identity service: who this driver is, and the settings that its other services share."""

from dataclasses import dataclass
from importlib.metadata import version

from grpc import ServicerContext

from devcluster.csi.generated import csi_pb2 as csi
from devcluster.csi.generated import csi_pb2_grpc


@dataclass(frozen=True)
class Flavour:
    """What distinguishes one driver from another: its name, the node it serves and what it can do."""

    name: str
    node: str
    snapshots: bool
    clones: bool

    @property
    def topology(self) -> csi.Topology:
        """Where its volumes can be reached: on its node only."""
        return csi.Topology(segments={f"topology.{self.name}/node": self.node})


class Identity(csi_pb2_grpc.IdentityServicer):
    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour

    def GetPluginInfo(self, request: csi.GetPluginInfoRequest, context: ServicerContext) -> csi.GetPluginInfoResponse:
        return csi.GetPluginInfoResponse(name=self._flavour.name, vendor_version=version("cdi"))

    def GetPluginCapabilities(
        self, request: csi.GetPluginCapabilitiesRequest, context: ServicerContext
    ) -> csi.GetPluginCapabilitiesResponse:
        service, expansion = csi.PluginCapability.Service, csi.PluginCapability.VolumeExpansion
        return csi.GetPluginCapabilitiesResponse(
            capabilities=[
                csi.PluginCapability(service=service(type=service.CONTROLLER_SERVICE)),
                csi.PluginCapability(service=service(type=service.VOLUME_ACCESSIBILITY_CONSTRAINTS)),
                csi.PluginCapability(volume_expansion=expansion(type=expansion.ONLINE)),
            ]
        )

    def Probe(self, request: csi.ProbeRequest, context: ServicerContext) -> csi.ProbeResponse:
        return csi.ProbeResponse(ready={"value": True})
