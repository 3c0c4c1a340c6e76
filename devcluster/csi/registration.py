"""How the kubelet learns of the driver: a socket in its plugins_registry that tells where the driver listens.

The kubelet watches that directory, so it finds the driver again after a restart of either of them.
"""

import logging

from grpc import ServicerContext

from devcluster.csi.generated import pluginregistration_pb2 as registration
from devcluster.csi.generated import pluginregistration_pb2_grpc

log = logging.getLogger(__name__)


class Registration(pluginregistration_pb2_grpc.RegistrationServicer):
    """Answers for the driver `name` that listens on the unix socket at `socket_path`."""

    def __init__(self, name: str, socket_path: str) -> None:
        self._name = name
        self._socket_path = socket_path

    def GetInfo(self, request: registration.InfoRequest, context: ServicerContext) -> registration.PluginInfo:
        return registration.PluginInfo(
            type="CSIPlugin", name=self._name, endpoint=self._socket_path, supported_versions=["1.0.0"]
        )

    def NotifyRegistrationStatus(
        self, request: registration.RegistrationStatus, context: ServicerContext
    ) -> registration.RegistrationStatusResponse:
        if request.plugin_registered:
            log.info("the kubelet has registered %s", self._name)
        else:
            log.error("the kubelet could not register %s: %s", self._name, request.error)
        return registration.RegistrationStatusResponse()
