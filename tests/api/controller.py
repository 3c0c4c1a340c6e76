"""The controller as a process of its own, as it runs in a pod: started, asked, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from demo.metrics import fetch
from tests.api.apiserver import TOKEN
from tests.ports import free_ports

BY_THE_WAY = ("Lease", "TokenReview", "SubjectAccessReview")
ENTRY = "from cdi_operator.wiring.main import main; main()"


class ControllerProcess:
    def __init__(
        self,
        kubeconfig: str,
        namespace: str,
        directory: Path,
        name: str,
        *,
        verbosity: int = 3,
        elects: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port, self.metrics_port = free_ports(2)
        self.log = directory / f"{name}.log"
        ports = [f"--health-port={self.port}", f"--metrics-port={self.metrics_port}"]
        flags = [f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", *ports, f"-v={verbosity}"]
        if not elects:
            flags.append("--leader-elect=false")
        told = {"IMPORTER_IMAGE": "localhost/cdi-importer:test", "POD_NAME": name, **(environment or {})}
        self.ready_file = directory / f"{name}.ready"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", ENTRY, *flags, f"--ready-file={self.ready_file}"],
                stderr=log,
                env={**os.environ, **told},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        """As a pod is asked to end."""
        if self.code is None:
            self.signal(signal.SIGTERM)
        self._process.wait(timeout=30)

    def end(self) -> None:
        if self.code is None:
            self._process.kill()
        self._process.wait(timeout=10)

    def said(self, message: str) -> list[dict[str, Any]]:
        """Log lines with this message."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["message"] == message]

    @property
    def leads(self) -> bool:
        return bool(self.said("successfully acquired lease"))

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of its health port; status 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def ready(self) -> bool:
        return self.ask("/readyz")[0] == 200

    def metrics(self) -> list[Sample]:
        families = text_string_to_metric_families(fetch(self.metrics_port, TOKEN))
        return [sample for family in families for sample in family.samples]

    def metric(self, name: str, **labels: str) -> float:
        """Sum over the samples that have these labels."""
        wanted = (each for each in self.metrics() if each.name == name and labels.items() <= each.labels.items())
        return sum(sample.value for sample in wanted)

    def requests(self) -> dict[str, float]:
        """Requests made so far by verb and kind, without what never rests: the lease, the watches, the question who
        reads this, the looks whether a kind that is not there was installed.
        """
        made: dict[str, float] = {}
        for sample in self.metrics():
            if sample.name != "cdi_api_requests_total":
                continue
            verb, kind, code = (sample.labels[label] for label in ("verb", "kind", "code"))
            if kind not in BY_THE_WAY and verb != "watch" and (verb, code) != ("list", "404"):
                made[f"{verb} {kind}"] = made.get(f"{verb} {kind}", 0) + sample.value
        return made
