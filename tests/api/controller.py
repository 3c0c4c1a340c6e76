"""The controller as a process of its own, as it runs in a pod: started, asked, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.api.apiserver import free_ports

ENTRY = "from cdi_operator.wiring.main import main; main()"


class ControllerProcess:
    def __init__(self, kubeconfig: str, namespace: str, directory: Path, name: str) -> None:
        [self.port] = free_ports(1)
        self.log = directory / f"{name}.log"
        flags = [f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", f"--health-port={self.port}", "-v=3"]
        environment = {**os.environ, "IMPORTER_IMAGE": "localhost/cdi-importer:test", "POD_NAME": name}
        self.ready_file = directory / f"{name}.ready"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", ENTRY, *flags, f"--ready-file={self.ready_file}"], stderr=log, env=environment
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

    def metric(self, name: str, **labels: str) -> float:
        """Sum over the samples that have these labels."""
        _, text = self.ask("/metrics")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(
            sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def requests(self) -> dict[str, float]:
        """Requests made so far by verb and kind, without those of the lease and the watches, which never rest."""
        _, text = self.ask("/metrics")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        made: dict[str, float] = {}
        for sample in samples:
            if sample.name != "cdi_api_requests_total":
                continue
            verb, kind = sample.labels["verb"], sample.labels["kind"]
            if kind != "Lease" and verb != "watch":
                made[f"{verb} {kind}"] = made.get(f"{verb} {kind}", 0) + sample.value
        return made
