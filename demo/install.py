"""`make install`: a cluster with what this checkout builds on it. The demo, the e2e tests and the bench begin here.

The images go onto the nodes without a registry, the chart into the API server with helm. Twice is harmless: what is
there already stays, what changed is built, loaded and rolled out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.kubectl import Kubectl
from demo.stages import Stages, Told
from devcluster import choose
from devcluster.errors import DevclusterError
from oci.build import ensure
from oci.recipes import IMPORTER, OPERATOR, RECIPES

CHART = Path(__file__).parent.parent / "manifests" / "chart"
NAMESPACE = "cdi"
RELEASE = "cdi"
TIMEOUT = "180s"
NAMESPACE_MANIFEST = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def install(stages: Stages, settings: list[str]) -> Kubectl:
    """Bring everything up; `settings` are values of the chart, as for helm's --set. Raises DevclusterError."""
    cluster = choose.cluster(embedded=False)
    with stages.loud("cluster up"):
        cluster.up()
    kubectl = Kubectl(cluster.kubeconfig())
    with stages.loud("images built"):
        for recipe in RECIPES.values():
            ensure(recipe)
    with stages.loud("images loaded"):
        for recipe in RECIPES.values():
            cluster.load(recipe.archive)
    with stages.stage("controller installed with helm") as told:
        _helm(kubectl, told, settings)
    return kubectl


def _helm(kubectl: Kubectl, told: Told, settings: list[str]) -> None:
    kubectl("apply", "--server-side", "--filename=-", stdin=NAMESPACE_MANIFEST)
    tags = [f"images.operator.tag={OPERATOR.tag}", f"images.importer.tag={IMPORTER.tag}"]
    values = [f"--set={setting}" for setting in (*tags, *settings)]
    told("helm upgrade --install")
    kubectl.helm("upgrade", "--install", RELEASE, CHART, f"--namespace={NAMESPACE}", *values)
    told("waiting for both replicas")
    try:
        kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/cdi-deployment", f"--timeout={TIMEOUT}")
    except DevclusterError as error:
        of_controller = ("--namespace", NAMESPACE, "--selector=cdi.kubevirt.io=cdi-deployment")
        pods, logs = kubectl("get", "pods", *of_controller), kubectl("logs", "--tail=20", "--prefix", *of_controller)
        raise DevclusterError(f"the controller does not get ready:\n{pods}\n{logs}") from error


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.install", description=__doc__)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value of the chart")
    options = parser.parse_args()
    try:
        install(Stages(), options.set)
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
