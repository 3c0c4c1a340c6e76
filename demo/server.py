"""The web server of the demo, the bench and the e2e tests, inside the cluster: a real nginx that takes files by PUT.

Its files are those of its pod: a new pod begins empty.
"""

from __future__ import annotations

import http.client
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import yaml

from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl, Object
from oci.recipes import TESTSERVER

NAMESPACE = "cdi-demo"
MANIFEST = Path(__file__).parent / "testserver" / "server.yaml"
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class WebServer:
    kubectl: Kubectl
    """In the namespace of the server."""

    def url(self, path: str, door: str = "images") -> str:
        """What pods of the cluster call it; `door`: a service that leads to it."""
        return f"http://{door}.{self.kubectl.namespace}.svc/{path}"

    def put(self, path: str, content: bytes | Path) -> str:
        """Serve bytes, or a file of this machine; returns the URL for pods. What was there before is replaced."""
        with content.open("rb") if isinstance(content, Path) else BytesIO(content) as body:
            self._ask("PUT", path, body, (201, 204))
        return self.url(path)

    def delete(self, path: str) -> None:
        """Nothing is there afterwards, whatever was before."""
        self._ask("DELETE", path, BytesIO(), (204, 404))

    def _ask(self, method: str, path: str, body: BinaryIO, allowed: tuple[int, ...]) -> None:
        length = str(body.seek(0, os.SEEK_END))
        body.seek(0)
        with self.kubectl.forward("service/images", 80) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
            try:
                connection.request(method, f"/{path}", body, {"Content-Length": length})
                answer = connection.getresponse()
                answer.read()
            except OSError as error:
                raise DevclusterError(f"the web server does not take {method} {path}: {error}") from error
            finally:
                connection.close()
        if answer.status not in allowed:
            raise DevclusterError(f"the web server answers {method} {path}: {answer.status} {answer.reason}")


def start(kubectl: Kubectl, namespace: str = NAMESPACE) -> WebServer:
    """Have it run. Its image has to be on the nodes."""
    inside = kubectl.within(namespace)
    kubectl.apply(*objects(namespace))
    inside("rollout", "status", "deployment/images", "--timeout=120s")
    return WebServer(inside)


def objects(namespace: str) -> list[Object]:
    text = MANIFEST.read_text().replace("NAMESPACE", namespace).replace("IMAGE", TESTSERVER.reference)
    return list(yaml.safe_load_all(text))
