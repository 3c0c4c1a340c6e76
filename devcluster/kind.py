"""kind, where a container engine runs: the shortest way to a cluster, with kind's own storage class `standard`."""

from dataclasses import dataclass
from pathlib import Path

from devcluster.binaries import require_program
from devcluster.layout import CACHE
from devcluster.shell import run, say

NAME = "cdi-devcluster"


@dataclass(frozen=True)
class Kind:
    """A kind cluster of our name."""

    def up(self) -> None:
        """Create it unless it is there."""
        if self.exists():
            self._write_kubeconfig()
        else:
            say(f"creating the kind cluster {NAME}")
            CACHE.mkdir(parents=True, exist_ok=True)
            run(["kind", "create", "cluster", "--name", NAME, "--kubeconfig", self.kubeconfig(), "--wait", "180s"])
        say(
            "ready: kind's own storage class `standard` has no snapshots, no clones and no CSI driver; "
            "`python -m devcluster --embedded up` gives a cluster that has them"
        )

    def down(self) -> None:
        """Delete it."""
        if self.exists():
            run(["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", self.kubeconfig()])
        Path(self.kubeconfig()).unlink(missing_ok=True)
        say("down: nothing is left")

    def status(self) -> bool:
        """Print its nodes and storage classes."""
        if not self.exists():
            print("no cluster: `python -m devcluster up` makes one with kind")
            return False
        self._write_kubeconfig()
        print(f"kind cluster {NAME}")
        print(
            run([require_program("kubectl"), "--kubeconfig", self.kubeconfig(), "get", "nodes,storageclasses"]), end=""
        )
        return True

    def load(self, archive: Path) -> None:
        """`kind load image-archive`."""
        run(["kind", "load", "image-archive", archive, "--name", NAME])
        say(f"loaded {archive}")

    def kubeconfig(self) -> str:
        """A file of its own, so that the user's ~/.kube/config stays as it is."""
        return str(CACHE / "kind.kubeconfig")

    def exists(self) -> bool:
        """Whether kind knows the cluster."""
        return NAME in run(["kind", "get", "clusters"]).split()

    def _write_kubeconfig(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        run(["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", self.kubeconfig()])
