"""`make install`: a cluster with what this checkout builds on it. The demo, the e2e tests and the bench begin here.

The images go onto the nodes without a registry, the chart into the API server with helm. Twice is harmless: what is
there already stays, what changed is built, loaded and rolled out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from demo.stages import Stages, Told
from devcluster import choose
from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl
from devcluster.layout import CHECKOUT
from oci.build import ensure
from oci.recipes import IMPORTER, OPERATOR, RECIPES

CHART = CHECKOUT / "manifests" / "chart"
NAMESPACE = "cdi"
RELEASE = "cdi"
CONTROLLER = "deployment/cdi-deployment"
CONTROLLER_PODS = "--selector=cdi.kubevirt.io=cdi-deployment"
APISERVER = "deployment/cdi-apiserver"
APISERVER_PODS = "--selector=cdi.kubevirt.io=cdi-apiserver"
INTERRUPTED = "status in (pending-install,pending-upgrade,pending-rollback)"
"""The record of a helm that was killed keeps the next one from beginning."""
TIMEOUT = "180s"
ASKED_WITHIN_S = 30.0
PROBE = {
    "apiVersion": "cdi.kubevirt.io/v1beta1",
    "kind": "DataVolume",
    "metadata": {"name": "probe", "namespace": "default"},
    "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
}
"""Never made: the API server is only asked whether it would."""
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
    cluster = choose.cluster()
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
    inside = kubectl.within(NAMESPACE)
    inside.delete("secrets", f"--selector=owner=helm,name={RELEASE},{INTERRUPTED}")
    told("helm upgrade --install")
    inside.helm("upgrade", "--install", RELEASE, CHART, *values)
    told("waiting for all replicas")
    for deployment, its_pods in ((CONTROLLER, CONTROLLER_PODS), (APISERVER, APISERVER_PODS)):
        try:
            inside("rollout", "status", deployment, f"--timeout={TIMEOUT}")
        except DevclusterError as error:
            pods, logs = inside("get", "pods", its_pods), inside("logs", "--tail=20", "--prefix", its_pods)
            raise DevclusterError(f"{deployment} does not get ready:\n{pods}\n{logs}") from error
    told("waiting until the API server asks")
    wait_until_asked(kubectl)


def wait_until_asked(kubectl: Kubectl) -> None:
    """That the webhooks are ready, and under which certificate, the API server hears a moment later."""
    deadline = time.monotonic() + ASKED_WITHIN_S
    while True:
        try:
            kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(PROBE))
            return
        except DevclusterError as error:
            if time.monotonic() > deadline:
                raise DevclusterError(f"no DataVolume can be made: {error}") from error
            time.sleep(0.2)


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
