"""kubectl and helm, as a user would type them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.binaries import require_program
from devcluster.errors import DevclusterError
from devcluster.shell import run


@dataclass(frozen=True)
class Kubectl:
    """The two programs, for the cluster of one kubeconfig. Every failure is a DevclusterError with their own words."""

    kubeconfig: str

    def __call__(self, *arguments: str | Path, stdin: str | None = None) -> str:
        return run([require_program("kubectl"), *arguments], stdin=stdin, env=self._environment)

    def helm(self, *arguments: str | Path) -> str:
        return run([require_program("helm"), *arguments], env=self._environment)

    def get(self, *arguments: str) -> dict[str, Any] | None:
        """One object, or the List of several; None when there is none."""
        printed = self("get", "--ignore-not-found", "--output=json", *arguments)
        found: dict[str, Any] | None = json.loads(printed) if printed else None
        return found

    @contextmanager
    def forward(self, namespace: str, target: str, port: int) -> Iterator[int]:
        """A port of this machine, on loopback, that leads to `port` of a pod or service while the context lasts."""
        argv = [require_program("kubectl"), "--namespace", namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(
            argv, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                assert process.stdout
                line = process.stdout.readline()
                found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", line)
                if not found:
                    raise DevclusterError(f"cannot reach {target} in namespace {namespace}: {line.strip()}")
                yield int(found[1])
            finally:
                process.terminate()

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": self.kubeconfig}
