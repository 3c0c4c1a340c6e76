"""A real etcd and kube-apiserver on loopback, with no nodes and no controllers: 4 s to start, gone without a trace.

What the tests need of it beyond a kubeconfig: to kill the API server and start it again, as an upgrade of a cluster
does, and to change the cluster behind its back meanwhile.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devcluster import binaries
from devcluster.kubectl import IN_A_HURRY
from tests.ports import free_ports

TOKEN = "token-of-the-tests"
START_LIMIT_S = 60.0


class ControlPlane:
    def __init__(self, directory: Path, *, audited: bool = False) -> None:
        self.directory = directory
        self._audited = audited
        self.kubeconfig = directory / "kubeconfig"
        self._programs = binaries.ensure() / "bin"
        self._etcd_port, self._peer_port, self.port = free_ports(3)
        self._etcd: subprocess.Popen[bytes] | None = None
        self._apiserver: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._write_credentials()
        self._etcd = self._spawn("etcd", self._etcd_flags())
        self._wait(f"http://127.0.0.1:{self._etcd_port}/health", self._etcd)
        self.start_apiserver()

    def stop(self) -> None:
        for process in (self._apiserver, self._etcd):
            _end(process, signal.SIGTERM)

    def start_apiserver(self) -> None:
        self._apiserver = self._spawn("kube-apiserver", self._apiserver_flags())
        self._wait(f"https://127.0.0.1:{self.port}/readyz", self._apiserver)
        self._write_kubeconfig()

    def kill_apiserver(self) -> None:
        _end(self._apiserver, signal.SIGKILL)

    def clear(self, namespace: str) -> None:
        """Take away what a controller would work on. All tests of a process share this API server, where nobody clears
        up: a worker that stays would take a place in the queue of the next test, and a DataVolume be worked on there.
        """
        for claim in self.kubectl("get", "persistentvolumeclaims", "-n", namespace, "--output=name").split():
            self.kubectl("patch", claim, "-n", namespace, "--type=merge", '--patch={"metadata":{"finalizers":null}}')
        kinds = "datavolumes,volumeimportsources,persistentvolumeclaims,pods"
        self.kubectl("delete", kinds, "--all", "-n", namespace, "--force", "--grace-period=0", "--wait=false")

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        command: list[str | Path] = [self._programs / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        environment = {**os.environ, **IN_A_HURRY}
        done = subprocess.run(command, input=stdin, text=True, check=True, capture_output=True, env=environment)
        return done.stdout

    def audit_log(self) -> Iterator[dict[str, Any]]:
        """Every request so far: who, what, and what came of it."""
        with self._audit_file.open() as lines:
            for line in lines:
                yield json.loads(line)

    def delete_from_etcd(self, *path: str) -> None:
        """What another API server would do while this one is away: nobody who watched this one is told."""
        key = base64.b64encode("/".join(("/registry", *path)).encode()).decode()
        url = f"http://127.0.0.1:{self._etcd_port}/v3/kv/deleterange"
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps({"key": key}).encode()), timeout=10
        ) as answer:
            assert json.load(answer).get("deleted") == "1", f"{path} was not there"

    def _spawn(self, name: str, flags: list[str]) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            # As in the embedded cluster, memory is less short than time.
            environment = {**os.environ, "GOGC": "400"}
            argv: list[str | Path] = [self._programs / name, *flags]
            return subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.directory, env=environment)

    def _etcd_flags(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        return [
            f"--data-dir={self.directory}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver_flags(self) -> list[str]:
        keys = self.directory / "service-accounts"
        return [
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.directory}/certificates",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--token-auth-file={self.directory}/tokens",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={keys}.pub",
            f"--service-account-signing-key-file={keys}.key",
            "--service-cluster-ip-range=10.96.0.0/16",
            # Nobody makes service accounts here, and pods are only ever looked at.
            "--disable-admission-plugins=ServiceAccount",
            *(self._audit_flags() if self._audited else ()),
        ]

    def _audit_flags(self) -> list[str]:
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
        file = self.directory / "audit-policy.json"
        file.write_text(json.dumps(policy))
        return [f"--audit-policy-file={file}", f"--audit-log-path={self._audit_file}", "--audit-log-mode=blocking"]

    @property
    def _audit_file(self) -> Path:
        return self.directory / "audit.log"

    def _write_credentials(self) -> None:
        (self.directory / "tokens").write_text(f"{TOKEN},admin,admin,system:masters\n")
        key, public = self.directory / "service-accounts.key", self.directory / "service-accounts.pub"
        curve = "ec_paramgen_curve:P-256"
        for command in (
            f"openssl genpkey -algorithm EC -pkeyopt {curve} -out {key}",
            f"openssl pkey -in {key} -pubout -out {public}",
        ):
            subprocess.run(command.split(), check=True, capture_output=True)

    def _write_kubeconfig(self) -> None:
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.directory / "certificates" / "apiserver.crt"),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
            "current-context": "tests",
        }
        self.kubeconfig.write_text(json.dumps(document))

    def _wait(self, url: str, process: subprocess.Popen[bytes]) -> None:
        context = ssl._create_unverified_context() if url.startswith("https") else None
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(request, timeout=2, context=context).read()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"{url} does not answer, see the logs in {self.directory}")


def _end(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
