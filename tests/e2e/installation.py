"""The installation under test: what `make install` leaves, found again by asking the cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.install import CHART, CONTROLLER, CONTROLLER_PODS, NAMESPACE, RELEASE
from devcluster import choose
from devcluster.embedded import Embedded
from devcluster.kubectl import Kubectl, Object
from devcluster.layout import CHECKOUT
from tests.e2e.watch import Watch

TAKEOVER_S = 15
"""How long the cluster may be without a leader."""
LEASE = "cdi-controller-leader-election-helper"


@dataclass(frozen=True)
class Installation:
    kubectl: Kubectl
    """Without a namespace."""
    embedded: bool
    """The cluster's processes are on this machine, so that a test may kill them."""

    @property
    def own(self) -> Kubectl:
        return self.kubectl.within(NAMESPACE)

    @property
    def python_image(self) -> str:
        """An image that the nodes have and that has a Python: the importer's, as the installed controller names it."""
        first = self.own.get(CONTROLLER)["spec"]["template"]["spec"]["containers"][0]
        return next(str(each["value"]) for each in first["env"] if each["name"] == "IMPORTER_IMAGE")

    def controllers(self) -> list[Object]:
        """The controller's pods that are to stay."""
        pods = self.own.items("pods", CONTROLLER_PODS)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """Name of the pod that leads; the lease's holder is the pod's name with something behind it."""
        return holder(self.own.get("lease", LEASE))


def holder(lease: Object) -> str:
    identity = str(lease["spec"].get("holderIdentity") or "")
    return identity.partition("_")[0]


@contextmanager
def settings(installation: Installation, *flags: str, shown: Callable[[Object], Any], wanted: Any) -> Iterator[None]:
    """The chart with these flags of helm, for everybody; rolled back in the end.

    `shown`: what of CDIConfig they change, and to what, so that nobody begins before imports read it there.
    """
    before = shown(installation.kubectl.get("cdiconfig", "config"))
    installation.own.helm("upgrade", RELEASE, CHART, "--reuse-values", *flags)
    try:
        settled(installation, shown, wanted)
        yield
    finally:
        installation.own.helm("rollback", RELEASE)
        settled(installation, shown, before)


def settled(installation: Installation, shown: Callable[[Object], Any], wanted: Any) -> None:
    installation.own("rollout", "status", CONTROLLER, "--timeout=120s")
    with Watch(installation.kubectl, "cdiconfigs") as configs:
        configs.until(lambda now: "config" in now and shown(now["config"]) == wanted, f"the settings say {wanted!r}")


def install() -> None:
    """What a developer types."""
    make("install")


def installed() -> Installation:
    """What that has left."""
    cluster = choose.cluster()
    return Installation(Kubectl(cluster.kubeconfig()), isinstance(cluster, Embedded))


def make(target: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["make", "--no-print-directory", target], cwd=CHECKOUT, env=environment, check=True)
