"""The web server that the tests import from: that of the demo, in a namespace of its own and with a slow door besides.

Files are put there by PUT, so a test can let a missing file appear, or change one.
"""

from __future__ import annotations

from demo import server
from demo.server import WebServer
from devcluster.kubectl import Kubectl

NAMESPACE = "cdi-e2e-images"
SLOW = "slow"
"""The door to name in `WebServer.url`."""
SLOW_PORT = 8081
# One importer has several connections: an image of 20 MB takes about 7 s at this door.
SLOW_DOOR = f"""
server {{
    listen {SLOW_PORT};
    root /srv;
    limit_rate 768k;
}}
"""


def start(kubectl: Kubectl) -> WebServer:
    """Make true that the server runs, and that the slow door leads to it."""
    inside = kubectl.within(NAMESPACE)
    ports = [{"name": "http", "port": 80, "targetPort": SLOW_PORT}]
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    inside.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"slow.conf": SLOW_DOOR}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SLOW},
            "spec": {"selector": {"app": "images"}, "ports": ports},
        },
    )
    return server.start(kubectl, NAMESPACE)


def address(images: WebServer) -> str:
    """Of the pod, where it listens on port 8080."""
    pods = images.kubectl.items("pods", "--selector=app=images", "--field-selector=status.phase=Running")
    return str(pods[0]["status"]["podIP"])
