"""`cdi-controller`: follow the cluster, wait for the lease, work, and leave in good order."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
from kubernetes.aio.config import ConfigException
from prometheus_client import Gauge

from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.flows.settings import Settings
from cdi_operator.wiring import health, metrics, settings
from cdi_operator.wiring.controller import Controller
from cdi_operator.wiring.gate import Gate
from cdi_operator.wiring.lease import Election, Lost
from cdi_operator.wiring.log import configure
from cdi_operator.wiring.settings import Options

log = structlog.get_logger(__name__)

LEADS = Gauge("cdi_leader", "1 while this replica holds the lease")


def main(arguments: Sequence[str] | None = None) -> None:
    options, installation = settings.read(sys.argv[1:] if arguments is None else arguments)
    configure(options.verbosity)
    code = 0
    try:
        asyncio.run(_run(options, installation))
    except* ConfigException as errors:
        log.error("no way to reach a cluster: run in a pod, or say --kubeconfig FILE", error=_first(errors))
        code = 2
    except* Lost as errors:
        log.error("lost the lease, stopping", error=_first(errors))
        code = 1
    except* OSError as errors:
        log.error("cannot start", error=_first(errors))
        code = 1
    except* Exception as errors:
        log.error("stopping", exc_info=errors)
        code = 1
    if code:
        # Not above: before Python 3.11.4 an exit inside `except*` becomes an error in a group of its own.
        sys.exit(code)


async def _run(options: Options, installation: Settings) -> None:
    """Returns when the process was asked to stop."""
    asked = asyncio.Event()
    main_task = asyncio.current_task()
    assert main_task is not None

    def stop() -> None:
        log.info("stopping")
        asked.set()
        main_task.cancel()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)

    take_signals()
    access = await Access.load(options.kubeconfig)
    with suppress(asyncio.CancelledError):
        async with Client(access) as client:
            controller = Controller(access, client, installation)
            async with (
                health.serve(options.health_port, controller.missing),
                metrics.serve(options.metrics_port, Gate(client)),
            ):
                await controller.definitions()
                async with asyncio.TaskGroup() as following:
                    for task in controller.following(take_signals):
                        following.create_task(task)
                    await controller.synced()
                    # What was listed stays: with 23,000 objects a full collection stops everything for 0.16 s, else 0.
                    gc.freeze()
                    log.info("ready", server=access.server)
                    with _mark(options.ready_file):
                        await _lead(options, installation, client, controller)
    if not asked.is_set():
        raise RuntimeError("stopped without having been asked to")


async def _lead(options: Options, installation: Settings, client: Client, controller: Controller) -> None:
    """Never returns."""
    if not options.leader_elect:
        with metrics.of_the_cluster(controller.cache):
            await controller.work(_for_ever())
    election = Election(client, installation.namespace, options.identity)
    await election.acquire()
    client.fence = election.fence
    LEADS.set(1)
    try:
        with metrics.of_the_cluster(controller.cache):
            await controller.work(election.keep())
    finally:
        LEADS.set(0)
        await election.release()


async def _for_ever() -> None:
    await asyncio.Event().wait()


@contextmanager
def _mark(file: str) -> Iterator[None]:
    """The file exists while the block runs."""
    if file:
        Path(file).touch()
    try:
        yield
    finally:
        if file:
            Path(file).unlink(missing_ok=True)


def _first(errors: BaseExceptionGroup[BaseException]) -> str:
    """The words of the error at the bottom of a group."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
