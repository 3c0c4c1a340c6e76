"""Fixtures of the tests that need a real API server, and nothing else of a cluster."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cdi_operator.api.annotations import API_VERSION
from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Ref
from tests.api.apiserver import ControlPlane
from tests.api.controller import ControllerProcess
from tests.api.objects import csi_driver, storage_class

CRDS = Path(__file__).parents[2] / "manifests" / "chart" / "files" / "crds"
PATIENCE_S = 20.0
WORKED_ON = ("DataVolume", "VolumeImportSource", "PersistentVolumeClaim", "Pod")
Start = Callable[[str], ControllerProcess]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    # Asked to end, pytest shall clean up as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=established", "--timeout=30s", "crd", "--all")
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def kubeconfig(control_plane: ControlPlane) -> str:
    return str(control_plane.kubeconfig)


@pytest.fixture
async def client(kubeconfig: str) -> AsyncIterator[Client]:
    async with Client(await Access.load(kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(client: Client, control_plane: ControlPlane) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    async with own_namespace(client, control_plane) as name:
        yield name


@asynccontextmanager
async def own_namespace(client: Client, control_plane: ControlPlane) -> AsyncIterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    if [page for kind in WORKED_ON async for page, _ in client.list(kind, namespace=name) if page]:
        control_plane.clear(name)


@pytest.fixture
async def start(kubeconfig: str, namespace: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts controllers that elect their leader in the test's own namespace."""
    started = list[ControllerProcess]()

    def begin(name: str) -> ControllerProcess:
        started.append(ControllerProcess(kubeconfig, namespace, tmp_path, name))
        return started[-1]

    yield begin
    for each in started:
        each.end()


@pytest.fixture
async def storage(client: Client, namespace: str) -> AsyncIterator[str]:
    """A storage class with a CSI driver; its name."""
    name = f"csi-{namespace}"
    await client.apply(csi_driver())
    await client.apply(storage_class(name))
    yield name
    for ref in (Ref("storage.k8s.io/v1", "StorageClass", name), Ref(API_VERSION, "StorageProfile", name)):
        if await client.get(ref.kind, ref.name):
            await client.delete(ref)


async def eventually(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until `condition` (a function, or one that returns an awaitable) holds; fail when it does not in time."""
    async with asyncio.timeout(patience_s):
        while True:
            holds = condition()
            if asyncio.iscoroutine(holds):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.02)


async def until_still(read: Callable[[], object], still_s: float) -> None:
    """Wait until what `read` returns has not changed for so long."""

    async def still() -> bool:
        before = read()
        await asyncio.sleep(still_s)
        return read() == before

    await eventually(still)
