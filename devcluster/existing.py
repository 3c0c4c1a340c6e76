"""A cluster that the user has already: it is used as it is, and nothing of it is ever started, stopped or removed."""

from dataclasses import dataclass
from pathlib import Path

from devcluster.binaries import require_program
from devcluster.errors import DevclusterError
from devcluster.shell import run, say


@dataclass(frozen=True)
class Existing:
    """The cluster of KUBECONFIG (`path`, one file or several with colons), which answers."""

    path: str

    def up(self) -> None:
        """Nothing to do."""
        say(f"using the cluster of KUBECONFIG ({self.path})")

    def down(self) -> None:
        """Nothing to do: we did not make it."""
        say(f"the cluster of KUBECONFIG ({self.path}) is yours: nothing to take down")

    def status(self) -> bool:
        """Print its nodes and storage classes."""
        print(f"cluster of KUBECONFIG ({self.path})")
        print(run([require_program("kubectl"), "get", "nodes,storageclasses"]), end="")
        return True

    def load(self, archive: Path) -> None:
        """There is no way into the nodes of somebody's cluster but its registry."""
        raise DevclusterError(
            f"{archive} cannot be loaded into the cluster of KUBECONFIG: push the image to a registry that its nodes "
            "can pull from, and name it in the chart's values"
        )

    def kubeconfig(self) -> str:
        """The user's."""
        return self.path
