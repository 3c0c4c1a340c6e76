"""cdi-apiserver as a process of its own, the API server that asks it, and kubectl before that."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from cdi_operator.api import annotations as names
from devcluster.binaries import KUBERNETES_VERSION
from manifests import render
from tests.api.apiserver import ControlPlane
from tests.api.objects import claim, data_volume

NAMESPACE = "admission"
CLASS = "csi-admission"
ENTRY = "from cdi_operator.apiserver.main import main; main()"
HOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
BLANK: dict[str, Any] = {"blank": {}}
LABEL = {names.APPLY_STORAGE_PROFILE: "true"}
GIB_WITH_OVERHEAD = "1138166334"


class Admission:
    """The server as a process, and the API server that asks it."""

    def __init__(self, plane: ControlPlane, directory: Path, port: int) -> None:
        self.port = port
        self.plane = plane
        self.log = directory / "cdi-apiserver.log"
        flags = [f"--kubeconfig={plane.kubeconfig}", f"--namespace={NAMESPACE}", f"--port={self.port}", "-v=3"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-c", ENTRY, *flags], stderr=log)

    @property
    def answers(self) -> bool:
        try:
            return bool(self.shown())
        except OSError:
            return False

    def shown(self) -> str:
        """The certificate, as PEM."""
        assert self._process.poll() is None, self.log.read_text()
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=2)

    def speaks(self, version: ssl.TLSVersion) -> bool:
        """False when the server says that it does not: `protocol version`."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = version
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as plain, context.wrap_socket(plain) as tls:
                return tls.version() is not None
        except ssl.SSLError as error:
            if error.reason != "TLSV1_ALERT_PROTOCOL_VERSION":
                raise
            return False

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def kubectl(self, *arguments: str, obj: Any = None) -> str:
        """What kubectl prints, on whichever channel."""
        stdin = "" if obj is None else json.dumps(obj)
        try:
            return self.plane.kubectl(*arguments, f"--namespace={NAMESPACE}", stdin=stdin)
        except subprocess.CalledProcessError as error:
            return str(error.stderr)

    def create(self, obj: Any) -> str:
        return self.kubectl("create", "--filename=-", "--dry-run=server", obj=obj)


def configurations(port: int) -> list[dict[str, Any]]:
    """The chart's own, leading to a port of this machine."""
    where = ["--kube-version", KUBERNETES_VERSION, "--namespace", NAMESPACE]
    rendering = [render.helm(), "template", "cdi", str(render.CHART), *where]
    done = subprocess.run(rendering, text=True, capture_output=True, check=True)
    found = [obj for obj in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if obj and obj["kind"] in HOOKS]
    for obj in found:
        for hook in obj["webhooks"]:
            hook["clientConfig"]["service"]["port"] = port
    return found


def volume(name: str = "disk", *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    made = data_volume(NAMESPACE, name)
    made["metadata"]["labels"] = labels or {}
    made["spec"] = {**made["spec"], **spec}
    return made


def of_kind(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def claim_that_asks(name: str, **spec: Any) -> dict[str, Any]:
    made = claim(NAMESPACE, name, labels=LABEL)
    asked = {"storageClassName": CLASS, "resources": {"requests": {"storage": "1Gi"}}}
    return {**made, "spec": {**asked, **spec}}
