"""kubectl, as a user types it. Everything the end-to-end tests do to the cluster, and see of it, goes through here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Object = dict[str, Any]


class KubectlError(Exception):
    """kubectl said no; the message is what it printed."""


@dataclass(frozen=True)
class Kubectl:
    """A kubectl bound to one cluster and, where `namespace` is given, to one namespace."""

    program: str
    kubeconfig: Path
    namespace: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def within(self, namespace: str) -> Kubectl:
        return replace(self, namespace=namespace)

    def argv(self, *args: str) -> list[str]:
        place = ["--namespace", self.namespace] if self.namespace else []
        return [self.program, "--kubeconfig", str(self.kubeconfig), *place, *args]

    def __call__(self, *args: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        """Standard output. KubectlError when kubectl fails."""
        done = subprocess.run(self.argv(*args), input=stdin, text=True, capture_output=True, timeout=timeout_s)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: Object) -> None:
        """`kubectl apply -f -`."""
        self("apply", "-f", "-", stdin=document(objects))

    def create(self, *objects: Object) -> None:
        self("create", "-f", "-", stdin=document(objects))

    def get(self, *args: str) -> Object:
        """One object. KubectlError when it is not there."""
        found: Object = json.loads(self("get", *args, "--output", "json"))
        return found

    def items(self, *args: str) -> list[Object]:
        """All objects of the kinds in `args`, with `--selector` and the like."""
        found: list[Object] = self.get(*args)["items"]
        return found

    def wait(self, what: str, condition: str, timeout_s: float = 60) -> None:
        """`kubectl wait WHAT --for=CONDITION`."""
        self("wait", what, f"--for={condition}", f"--timeout={timeout_s}s", timeout_s=timeout_s + 30)

    def events(self) -> str:
        """The table that `kubectl get events` prints: where users, and clients, look for reasons and messages."""
        return self("get", "events")

    def delete(self, *args: str) -> None:
        """`kubectl delete`, done when the objects are gone; one that is not there is no error."""
        self("delete", "--ignore-not-found", *args)


def document(objects: Iterable[Object]) -> str:
    return "---\n".join(json.dumps(obj) + "\n" for obj in objects)
