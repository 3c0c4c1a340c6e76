"""Puts what this checkout builds onto a cluster: the images onto its nodes, the chart into its API server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from demo.kubectl import Kubectl
from devcluster.errors import DevclusterError
from oci.recipes import IMPORTER, OPERATOR

CHART = Path(__file__).parent.parent / "manifests" / "chart"
NAMESPACE = "cdi"
RELEASE = "cdi"
TIMEOUT = "180s"


def install(kubectl: Kubectl, told: Callable[[str], None], *settings: str) -> None:
    """Install or upgrade with helm and wait until every replica is ready; `settings` are values, as for --set.

    The images have to be there. Raises DevclusterError with what the controller said when it does not get ready.
    """
    told("preparing the namespace")
    kubectl("apply", "--server-side", "--filename=-", stdin=_namespace())
    tags = (f"images.operator.tag={OPERATOR.tag}", f"images.importer.tag={IMPORTER.tag}")
    values = [f"--set={setting}" for setting in (*tags, *settings)]
    told("helm upgrade --install")
    kubectl.helm("upgrade", "--install", RELEASE, CHART, f"--namespace={NAMESPACE}", *values)
    told("waiting for the controller")
    try:
        kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/cdi-deployment", f"--timeout={TIMEOUT}")
    except DevclusterError as error:
        logs = kubectl(
            "--namespace", NAMESPACE, "logs", "--tail=20", "--prefix", "--selector=cdi.kubevirt.io=cdi-controller"
        )
        pods = kubectl("--namespace", NAMESPACE, "get", "pods")
        raise DevclusterError(f"the controller does not get ready:\n{pods}\n{logs}") from error


def uninstall(kubectl: Kubectl) -> None:
    """Take the chart away; the kinds and everybody's data stay, as helm's users are told."""
    kubectl.helm(
        "uninstall", RELEASE, f"--namespace={NAMESPACE}", "--ignore-not-found", "--wait", f"--timeout={TIMEOUT}"
    )


def _namespace() -> str:
    return f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
