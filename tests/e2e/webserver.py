"""The web server that the tests import from: that of the demo, in a namespace of its own and with slow doors besides.

Files are put there by PUT, so a test can let a missing file appear, or change one.
"""

from __future__ import annotations

import hashlib
import json

from demo import server
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object

NAMESPACE = "cdi-e2e-images"
SLOW = "slow"
"""The door to name in `WebServer.url`. One importer has several connections: 20 MB take about 7 s here."""
CRAWLING = "crawling"
"""Another, where 64 MB take 20 s over four connections, and less over more."""
DOORS = {SLOW: (8081, "768k"), CRAWLING: (8082, "800k")}
"""Port, and what a connection may get in a second."""


def configuration() -> str:
    doors = (f"server {{ listen {port}; root /srv; limit_rate {rate}; }}" for port, rate in DOORS.values())
    return "\n".join(doors)


def start(kubectl: Kubectl) -> WebServer:
    """Make true that the server runs, and that all doors lead to it."""
    inside = kubectl.within(NAMESPACE)
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    extra = configuration()
    inside.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"slow.conf": extra}},
        *(service(name, port) for name, (port, _) in DOORS.items()),
    )
    started = server.start(kubectl, NAMESPACE)
    # One that has run since before it had these doors begins anew with them.
    template = {"metadata": {"annotations": {"doors": hashlib.sha256(extra.encode()).hexdigest()}}}
    inside("patch", "deployment/images", f"--patch={json.dumps({'spec': {'template': template}})}")
    inside("rollout", "status", "deployment/images", "--timeout=120s")
    return started


def service(name: str, port: int) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": port}]
    spec = {"selector": {"app": "images"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def address(images: WebServer) -> str:
    """Of the pod, where it listens on port 8080."""
    pods = images.kubectl.items("pods", "--selector=app=images", "--field-selector=status.phase=Running")
    return str(pods[0]["status"]["podIP"])
