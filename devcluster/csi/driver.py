"""The driver as a process: opens the pool, serves the CSI services on one socket, and tells the kubelet about it."""

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from devcluster.csi.controller import Controller
from devcluster.csi.generated.csi_pb2_grpc import (
    add_ControllerServicer_to_server,
    add_IdentityServicer_to_server,
    add_NodeServicer_to_server,
)
from devcluster.csi.generated.pluginregistration_pb2_grpc import add_RegistrationServicer_to_server
from devcluster.csi.identity import Flavour, Identity
from devcluster.csi.node import Node
from devcluster.csi.pool import open_pool
from devcluster.csi.registration import Registration
from devcluster.csi.rpc import Calls
from devcluster.csi.volumes import Store
from devcluster.errors import DevclusterError

log = logging.getLogger(__name__)

# A call mostly waits for mkfs or mount: a few more threads than cores keep thirty volumes at once moving.
THREADS = 8

LONGEST_SOCKET_PATH = 107  # man 7 unix


@dataclass(frozen=True)
class Options:
    """The command line; `socket` is the path of the CSI socket, `capacity_bytes` counts when the pool is made."""

    socket: Path
    data: Path
    kubelet_root: Path
    capacity_bytes: int
    flavour: Flavour


def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; volumes that are mounted stay mounted."""
    options.data.mkdir(parents=True, exist_ok=True)
    data = options.data.resolve()
    with _sole_owner(data):
        store = Store(open_pool(data, options.capacity_bytes))
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="csi")
        driver = grpc.server(threads, interceptors=[Calls()])
        add_IdentityServicer_to_server(Identity(options.flavour), driver)
        add_ControllerServicer_to_server(Controller(options.flavour, store), driver)
        add_NodeServicer_to_server(Node(options.flavour, store), driver)
        _listen(driver, options.socket)
        # A socket of its own: a kubelet that asks who is there must not wait behind volumes being made.
        registrar = grpc.server(ThreadPoolExecutor(1, thread_name_prefix="registration"))
        registration_socket = options.kubelet_root / "plugins_registry" / f"{options.flavour.name}-reg.sock"
        add_RegistrationServicer_to_server(Registration(options.flavour.name, str(options.socket)), registrar)
        _listen(registrar, registration_socket)
        log.info("%s serves on %s with %d volumes", options.flavour.name, options.socket, len(list(store.volumes)))

        asyncio.run(_asked_to_stop())
        registration_socket.unlink(missing_ok=True)
        registrar.stop(grace=0).wait()
        driver.stop(grace=4).wait()
        options.socket.unlink(missing_ok=True)


@contextmanager
def _sole_owner(data: Path) -> Iterator[None]:
    """Hold the lock of a data directory; the kernel gives it back however this process ends."""
    with open(data / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevclusterError(f"another driver serves {data}: stop it, or give another --data") from None
        yield


def _listen(server: grpc.Server, socket: Path) -> None:
    if len(os.fsencode(socket.absolute())) > LONGEST_SOCKET_PATH:
        raise DevclusterError(f"{socket} is too long for a unix socket: choose a shorter --kubelet-root or --endpoint")
    socket.parent.mkdir(parents=True, exist_ok=True)
    # A process that was killed left its socket; the lock on the data directory says that it is gone.
    socket.unlink(missing_ok=True)
    server.add_insecure_port(f"unix://{socket.absolute()}")
    server.start()
    os.chmod(socket, 0o600)


async def _asked_to_stop() -> None:
    """Until SIGTERM or SIGINT. (`threading.Event.wait` may sleep through one that comes as it falls asleep.)"""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
