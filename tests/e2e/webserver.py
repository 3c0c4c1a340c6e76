"""The web server that images come from: the real nginx of demo/testserver, as a pod, with a slow door of our own.

Files are put there by PUT through `kubectl port-forward`, so a test can let a missing file appear, or change one.
"""

from __future__ import annotations

import http.client
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.kubectl import Kubectl, Object

NAMESPACE = "cdi-e2e-images"
MANIFEST = Path(__file__).parents[2] / "demo" / "testserver" / "server.yaml"
SLOW_PORT = 8081
# One importer has several connections: an image of 20 MB takes about 7 s at this door.
SLOW_DOOR = f"""
server {{
    listen {SLOW_PORT};
    root /srv;
    limit_rate 768k;
}}
"""


@dataclass(frozen=True)
class WebServer:
    kubectl: Kubectl

    def url(self, path: str) -> str:
        return f"http://images.{NAMESPACE}.svc/{path}"

    def slow_url(self, path: str) -> str:
        return f"http://slow.{NAMESPACE}.svc/{path}"

    @property
    def address(self) -> str:
        """Of the pod, where it listens on port 8080."""
        pods = self.kubectl.items("pods", "--selector=app=images", "--field-selector=status.phase=Running")
        return str(pods[0]["status"]["podIP"])

    def put(self, path: str, content: bytes | Path) -> None:
        self._ask("PUT", path, content if isinstance(content, bytes) else content.read_bytes(), allowed=(201, 204))

    def delete(self, path: str) -> None:
        """Nothing is there afterwards, whatever was before."""
        self._ask("DELETE", path, b"", allowed=(204, 404))

    def _ask(self, method: str, path: str, body: bytes, allowed: tuple[int, ...]) -> None:
        with forwarded(self.kubectl, "service/images", 80) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(method, f"/{path}", body)
            status = connection.getresponse().status
            connection.close()
        assert status in allowed, f"{method} {path}: {status}"


def start(kubectl: Kubectl, image: str) -> WebServer:
    """Make true that the server runs. Its files are those of its pod: a new pod begins empty."""
    inside = kubectl.within(NAMESPACE)
    inside.apply(*objects(image))
    inside("rollout", "status", "deployment/images", "--timeout=90s")
    return WebServer(inside)


def objects(image: str) -> Iterator[Object]:
    text = MANIFEST.read_text().replace("cdi-demo", NAMESPACE)
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield _in_place({"kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"slow.conf": SLOW_DOOR}})
    yield from yaml.safe_load_all(text.replace("IMAGE", image))
    ports = [{"name": "http", "port": 80, "targetPort": SLOW_PORT}]
    yield _in_place(
        {"kind": "Service", "metadata": {"name": "slow"}, "spec": {"selector": {"app": "images"}, "ports": ports}}
    )


def _in_place(obj: dict[str, Any]) -> Object:
    return {"apiVersion": "v1", **obj, "metadata": {**obj["metadata"], "namespace": NAMESPACE}}


@contextmanager
def forwarded(kubectl: Kubectl, target: str, port: int) -> Iterator[int]:
    """A port of this machine that leads to `port` of `target` (`service/NAME` or `pod/NAME`)."""
    argv = kubectl.argv("port-forward", target, f":{port}")
    with subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, f"port-forward of {target}: {line}"
            yield int(found[1])
        finally:
            process.kill()
