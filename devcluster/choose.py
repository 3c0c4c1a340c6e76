"""Which cluster a command is about: one that the user points at, kind, or the embedded one."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from devcluster.binaries import program
from devcluster.embedded import Embedded
from devcluster.errors import DevclusterError
from devcluster.existing import Existing
from devcluster.kind import Kind
from devcluster.layout import DATA, KUBECONFIG
from devcluster.shell import say, succeeds


class Cluster(Protocol):
    """What every kind of cluster can be asked; each raises DevclusterError with a line for the user."""

    def up(self) -> None:
        """Make it ready, whatever state it is in."""

    def down(self) -> None:
        """Remove what `up` made."""

    def status(self) -> bool:
        """Print its state; whether it is ready."""

    def load(self, archive: Path) -> None:
        """Give its nodes the images of an OCI or docker archive."""

    def kubeconfig(self) -> str:
        """The value for KUBECONFIG."""


@dataclass(frozen=True)
class Seen:
    """What decides: `kubeconfig` is the user's and not of a cluster of ours."""

    kubeconfig: str | None = None
    answers: bool = False
    embedded_here: bool = False
    kind_works: bool = False


def decide(seen: Seen) -> str:
    """`existing`, `kind` or `embedded`."""
    if seen.kubeconfig and seen.answers:
        return "existing"
    if seen.kind_works and not seen.embedded_here:
        return "kind"
    return "embedded"


def cluster(*, embedded: bool = False) -> Cluster:
    """The cluster that a command is about; `embedded`: the user said which."""
    if embedded:
        return Embedded()
    seen = look()
    if seen.kubeconfig and not seen.answers:
        say(f"the cluster of KUBECONFIG ({seen.kubeconfig}) does not answer: not using it")
    match decide(seen):
        case "existing":
            return Existing(str(seen.kubeconfig))
        case "kind":
            return Kind()
        case _:
            return Embedded()


def look() -> Seen:
    """Look at the environment and the machine."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if kubeconfig in ("", str(KUBECONFIG), Kind().kubeconfig()):
        kubeconfig = None
    kubectl = program("kubectl") if kubeconfig else None
    if kubeconfig and not kubectl:
        raise DevclusterError(
            "KUBECONFIG is set, but no kubectl is there to ask its cluster: install kubectl or unset KUBECONFIG"
        )
    return Seen(
        kubeconfig=kubeconfig,
        answers=bool(kubectl and succeeds([kubectl, "--request-timeout=5s", "get", "--raw", "/readyz"])),
        embedded_here=DATA.exists(),
        kind_works=bool(shutil.which("kind") and shutil.which("docker") and succeeds(["docker", "info"])),
    )
