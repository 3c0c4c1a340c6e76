"""The cluster, the installation, the web server and a namespace for each test: what `make test-e2e` stands on."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl
from devcluster.layout import NODE_IP
from tests.e2e import namespaces, peers, sources, webserver
from tests.e2e.installation import Installation, install, installed
from tests.e2e.once import once
from tests.e2e.peers import Peers
from tests.e2e.sources import Image
from tests.e2e.vmware import VMware, vmware
from tests.transfer.imageio import imageio
from tests.transfer.ovirt import Ovirt, ovirt_over

LONGEST = ("test_warm", "test_claims", "test_bad_input", "test_status", "test_sources", "test_import")
"""Files that take more than a minute, the longest first: begun in the end, they would end alone."""


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory of all processes of this pytest. Those of pytest-xdist have theirs in it."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def installation(request: pytest.FixtureRequest, common: Path) -> Installation:
    """A ready cluster with this checkout's controller in it, and nothing of earlier tests."""
    with once(common, "installation") as first:
        if first:
            with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
                try:
                    install()
                except subprocess.CalledProcessError as error:
                    pytest.exit(f"no cluster to test on: {error}", returncode=3)
        found = installed()
        if first and found.kubectl.items("namespaces", f"--selector={namespaces.LABEL}"):
            namespaces.delete_all(found.kubectl, "namespace", f"--selector={namespaces.LABEL}")
    return found


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Image]:
    return sources.make_all(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def server(installation: Installation, images: Mapping[str, Image], common: Path) -> WebServer:
    """Serves all images under their names."""
    with once(common, "server") as first:
        started = webserver.start(installation.kubectl)
        # A file that is put there again is another one to whoever is just reading it.
        for image in images.values() if first else ():
            started.put(image.name, image.path)
    return started


@pytest.fixture(scope="module")
def here(installation: Installation) -> None:
    """On this machine are the cluster's processes, which a test may kill, and servers that run beside it."""
    if not installation.embedded:
        pytest.skip("needs the embedded cluster, on this machine")


@pytest.fixture(scope="module")
def there(
    here: None, installation: Installation, images: Mapping[str, Image], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peers]:
    """The other servers, at the node's own address. One process at a time may have them."""
    with peers.running(installation.kubectl, tmp_path_factory.mktemp("peers"), images) as found:
        yield found


@pytest.fixture(scope="module")
def vcenter(here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VMware]:
    with vmware(tmp_path_factory.mktemp("vmware")) as running:
        yield running


@pytest.fixture(scope="module")
def ovirt(here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ovirt]:
    homes = tmp_path_factory.mktemp("imageio"), tmp_path_factory.mktemp("ovirt")
    with imageio(homes[0], NODE_IP) as daemon, ovirt_over(daemon, homes[1]) as running:
        yield running


@pytest.fixture
def namespace(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own."""
    with namespaces.namespace(installation.kubectl, namespaces.name_of(request.node.nodeid)) as inside:
        yield inside


@pytest.fixture(scope="module")
def shared_namespace(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Kubectl]:
    """kubectl in a namespace for all tests of a module, where much is started at once and then looked at."""
    with namespaces.namespace(installation.kubectl, namespaces.name_of(request.node.nodeid)) as inside:
        yield inside


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found: Any = getattr(item, "funcargs", {}).get("installation")
    if report.failed and found is not None:
        for inside in namespaces.live:
            report.sections.append((f"namespace {inside.namespace}", namespaces.report(found, inside)))
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", choices=("shared", "alone"), help="the tests that can share the cluster, or the others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs the cluster for itself comes after the rest, what breaks it later, what looks at its remains last."""
    items.sort(key=lambda item: (turn(item), place(item)))
    only = config.getoption("--only", None)
    if only:
        wanted = [item for item in items if (turn(item) > 0) == (only == "alone")]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


def place(item: pytest.Item) -> int:
    return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)


def turn(item: pytest.Item) -> int:
    if item.path.stem == "test_nothing_left":
        return 3
    if item.get_closest_marker("faults"):
        return 2
    return 1 if item.get_closest_marker("alone") else 0
