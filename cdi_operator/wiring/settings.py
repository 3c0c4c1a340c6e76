"""What the process is told: flags for how it runs, environment for what it installs (spec 8.2)."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdi_operator.flows.settings import Settings

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Options:
    """How this process runs."""

    kubeconfig: str | None
    identity: str
    leader_elect: bool
    health_port: int
    """0 for none."""
    metrics_port: int
    """0 for none."""
    ready_file: str
    """Exists while the process is ready; empty for none."""
    verbosity: int


def read(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[Options, Settings]:
    """Ends the process with a usage message when something is missing or wrong."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    image = environment.get("IMPORTER_IMAGE", "")
    if not image:
        parser.error("the environment variable IMPORTER_IMAGE is not set: name the image of the worker pods in it")
    namespace = given.namespace or own_namespace(environment)
    if not namespace:
        parser.error("outside of a cluster, say with --namespace where the leader lease is to be")
    try:
        config = json.loads(environment.get("CDI_CONFIG") or "null")
    except ValueError as error:
        parser.error(f"the environment variable CDI_CONFIG is not JSON: {error}")
    try:
        annotations = json.loads(environment.get("CDI_CONFIG_ANNOTATIONS") or "{}")
    except ValueError as error:
        parser.error(f"the environment variable CDI_CONFIG_ANNOTATIONS is not JSON: {error}")
    settings = Settings(
        namespace=namespace,
        importer_image=image,
        pull_policy=environment.get("PULL_POLICY") or "IfNotPresent",
        verbosity=given.verbosity,
        part_of=environment.get("INSTALLER_PART_OF_LABEL", ""),
        version=environment.get("INSTALLER_VERSION_LABEL", ""),
        config=config,
        config_annotations=annotations,
    )
    options = Options(
        kubeconfig=given.kubeconfig,
        identity=environment.get("POD_NAME") or f"{socket.gethostname()}_{os.getpid()}",
        leader_elect=given.leader_elect,
        health_port=given.health_port,
        metrics_port=given.metrics_port,
        ready_file=given.ready_file,
        verbosity=given.verbosity,
    )
    return options, settings


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cdi-controller",
        description="Brings disk images onto PersistentVolumeClaims, as DataVolumes ask for it.",
        epilog="Environment: IMPORTER_IMAGE (required), PULL_POLICY, POD_NAME, POD_NAMESPACE, "
        "INSTALLER_PART_OF_LABEL, INSTALLER_VERSION_LABEL, CDI_CONFIG (JSON: spec of CDIConfig `config`), "
        "CDI_CONFIG_ANNOTATIONS (JSON: annotations of it).",
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default=environment.get("KUBECONFIG"),
        help="how to reach the cluster (default: $KUBECONFIG, else the service account of the pod)",
    )
    parser.add_argument("--namespace", help="of the installation (default: the namespace of the pod)")
    parser.add_argument(
        "--leader-elect",
        type=_boolean,
        default=True,
        metavar="true|false",
        help="work only while holding the lease (default: true)",
    )
    parser.add_argument(
        "--health-port", type=int, default=8444, metavar="PORT", help="HTTP: /healthz, /readyz (default: 8444; 0: none)"
    )
    parser.add_argument(
        "--metrics-port",
        type=int,
        default=8443,
        metavar="PORT",
        help="HTTPS: /metrics, for whoever the API server lets get that path (default: 8443; 0: none)",
    )
    parser.add_argument(
        "--ready-file", default="/tmp/ready", help="made when ready, for an exec probe (default: /tmp/ready; '': none)"
    )
    parser.add_argument(
        "-v", dest="verbosity", type=int, default=1, metavar="N", help="1: what happens, 3: every step (default: 1)"
    )
    for flag in ("alsologtostderr", "skip_headers"):
        parser.add_argument(f"-{flag}", f"--{flag}", action="store_true", help="accepted, and means nothing here")
    return parser


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def own_namespace(environment: Mapping[str, str]) -> str:
    if named := environment.get("POD_NAMESPACE"):
        return named
    return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() if SERVICE_ACCOUNT_NAMESPACE.exists() else ""
