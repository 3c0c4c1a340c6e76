"""kubectl and helm, as a user types them: all that the demo, the bench and the end-to-end tests do to a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from devcluster.binaries import require_program
from devcluster.errors import DevclusterError

Object = dict[str, Any]
"""A Kubernetes object as its JSON."""
IN_A_HURRY = {"GOGC": "off", "GOMEMLIMIT": "256MiB"}
"""Most of these processes live for a tenth of a second, a quarter of it spent on collecting garbage."""
LONGEST_S = 300.0
"""What waits for more than this has lost its API server."""


class KubectlError(DevclusterError):
    """kubectl or helm said no; the message is what was asked and what it printed."""


@dataclass(frozen=True)
class Kubectl:
    """Bound to the cluster of one kubeconfig and, where `namespace` is given, to one namespace.

    Every failure is a KubectlError.
    """

    kubeconfig: str
    """As in $KUBECONFIG: one file, or several with colons between."""
    namespace: str = ""

    def within(self, namespace: str) -> Kubectl:
        return replace(self, namespace=namespace)

    def __call__(self, *args: str | Path, stdin: str | None = None, timeout_s: float = LONGEST_S) -> str:
        """Standard output."""
        return self._run("kubectl", args, stdin, timeout_s)

    def helm(self, *args: str | Path) -> str:
        """Standard output of helm."""
        return self._run("helm", args, None, LONGEST_S)

    def open(self, *args: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """A kubectl that goes on, as with `--watch`; its standard output is a pipe."""
        argv = self._argv("kubectl", args)
        return subprocess.Popen(argv, env=self._environment, text=True, stdout=subprocess.PIPE, stderr=stderr)

    def apply(self, *objects: Object) -> None:
        self("apply", "--filename=-", stdin=_document(objects))

    def create(self, *objects: Object) -> None:
        self("create", "--filename=-", stdin=_document(objects))

    def find(self, *args: str) -> Object | None:
        """One object, or None when it is not there."""
        printed = self("get", "--ignore-not-found", "--output=json", *args)
        found: Object | None = json.loads(printed) if printed else None
        return found

    def get(self, *args: str) -> Object:
        """One object. KubectlError when it is not there."""
        found: Object = json.loads(self("get", "--output=json", *args))
        return found

    def items(self, *args: str) -> list[Object]:
        """All objects of the kinds in `args`, with `--selector` and the like."""
        found: list[Object] = self.get(*args)["items"]
        return found

    def wait(self, what: str, condition: str, timeout_s: float = 60, *flags: str) -> str:
        """`kubectl wait WHAT --for=CONDITION`; returns what it prints, as `--output` among `flags` says."""
        return self("wait", what, f"--for={condition}", f"--timeout={timeout_s}s", *flags, timeout_s=timeout_s + 30)

    def events(self) -> str:
        """The table that `kubectl get events` prints: where users, and clients, look for reasons and messages."""
        return self("get", "events")

    def delete(self, *args: str) -> None:
        """`kubectl delete`, done when the objects are gone; one that is not there is no error."""
        self("delete", "--ignore-not-found", *args)

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """A port of this machine, on loopback, that leads to `port` of a `pod/NAME` or `service/NAME`."""
        with self.open("port-forward", target, f":{port}", stderr=subprocess.STDOUT) as process:
            try:
                assert process.stdout
                line = process.stdout.readline()
                found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", line)
                if not found:
                    raise KubectlError(f"cannot reach {target} in namespace {self.namespace}: {line.strip()}")
                yield int(found[1])
            finally:
                process.terminate()

    def _run(self, program: str, args: tuple[str | Path, ...], stdin: str | None, timeout_s: float) -> str:
        shown = " ".join([program, *map(str, args)])
        argv = self._argv(program, args)
        try:
            done = subprocess.run(
                argv, env=self._environment, input=stdin, text=True, capture_output=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"{shown}: no answer within {timeout_s:.0f} s") from error
        if done.returncode:
            raise KubectlError(f"{shown}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _argv(self, program: str, args: tuple[str | Path, ...]) -> list[str | Path]:
        place = ["--namespace", self.namespace] if self.namespace else []
        return [require_program(program), *place, *args]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **IN_A_HURRY, "KUBECONFIG": self.kubeconfig}


def _document(objects: tuple[Object, ...]) -> str:
    """One as it is, for the API server to judge: what is in a List, kubectl checks first, in words of its own.

    Several as a List: of a stream of documents kubectl has to guess whether it is JSON or YAML, and may guess wrong.
    """
    if len(objects) == 1:
        return json.dumps(objects[0])
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
