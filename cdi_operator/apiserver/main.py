"""`cdi-apiserver`: answer the API server's questions about our kinds until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog
from kubernetes.aio.config import ConfigException

from cdi_operator.apiserver.server import Server
from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.wiring.log import configure
from cdi_operator.wiring.settings import own_namespace

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    options = read(sys.argv[1:] if arguments is None else arguments)
    configure(options.verbosity)
    try:
        asyncio.run(_run(options))
    except ConfigException as error:
        log.error("no way to reach a cluster: run in a pod, or say --kubeconfig FILE", error=str(error))
        sys.exit(2)


async def _run(options: argparse.Namespace) -> None:
    running = asyncio.current_task()
    assert running is not None

    def stop() -> None:
        log.info("stopping")
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        async with Client(await Access.load(options.kubeconfig)) as client:
            await Server(client, options.namespace, options.verbosity).run(options.port)


def read(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """Ends the process with a usage message when something is missing or wrong."""
    parser = argparse.ArgumentParser(
        prog="cdi-apiserver",
        description="Admission webhooks of CDI: refuses what cannot work, renders claims that ask for it.",
        epilog="Environment: POD_NAMESPACE.",
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default=environment.get("KUBECONFIG"),
        help="how to reach the cluster (default: $KUBECONFIG, else the service account of the pod)",
    )
    parser.add_argument("--namespace", help="of the installation (default: the namespace of the pod)")
    parser.add_argument("--port", type=int, default=8443, help="HTTPS: the webhooks and /healthz (default: 8443)")
    parser.add_argument(
        "-v", dest="verbosity", type=int, default=1, metavar="N", help="1: what happens, 3: every step (default: 1)"
    )
    for flag in ("alsologtostderr", "skip_headers"):
        parser.add_argument(f"-{flag}", f"--{flag}", action="store_true", help="accepted, and means nothing here")
    options = parser.parse_args(arguments)
    options.namespace = options.namespace or own_namespace(environment)
    if not options.namespace:
        parser.error("outside of a cluster, say with --namespace where the certificate is")
    return options
