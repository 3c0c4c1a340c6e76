"""The web server of the demo and the e2e tests, inside the cluster: a real nginx that takes files by PUT."""

from __future__ import annotations

import http.client
from pathlib import Path

from demo.kubectl import Kubectl
from devcluster.errors import DevclusterError
from oci.recipes import TESTSERVER

NAMESPACE = "cdi-demo"
MANIFEST = Path(__file__).parent / "testserver" / "server.yaml"
URL = f"http://images.{NAMESPACE}.svc"
"""What pods of the cluster call it."""


def start(kubectl: Kubectl) -> None:
    """Have it run. Its image has to be on the nodes."""
    kubectl("apply", "--filename=-", stdin=MANIFEST.read_text().replace("IMAGE", TESTSERVER.reference))
    kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/images", "--timeout=120s")


def put(kubectl: Kubectl, file: Path, name: str) -> str:
    """Serve a file of this machine under `name`; returns the URL for pods. An older one of that name is replaced."""
    with kubectl.forward(NAMESPACE, "service/images", 80) as port, file.open("rb") as body:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        try:
            connection.request("PUT", f"/{name}", body, {"Content-Length": str(file.stat().st_size)})
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            raise DevclusterError(f"the web server does not take {file}: {error}") from error
        finally:
            connection.close()
        if answer.status not in (201, 204):
            raise DevclusterError(f"the web server does not take {file}: {answer.status} {answer.reason}")
    return f"{URL}/{name}"
