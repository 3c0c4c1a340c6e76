"""The cluster, the installation, the web server and a namespace for each test: what `make test-e2e` stands on."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl
from tests.e2e import namespaces, sources, webserver
from tests.e2e.installation import Installation, install
from tests.e2e.sources import Image


@pytest.fixture(scope="session")
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """A ready cluster with this checkout's controller in it. At the end, nothing of the tests may be left in it."""
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        try:
            found = install()
        except subprocess.CalledProcessError as error:
            pytest.exit(f"no cluster to test on: {error}", returncode=3)
    stale = found.kubectl.items("namespaces", f"--selector={namespaces.LABEL}")
    if stale:
        namespaces.delete_all(found.kubectl, "namespace", f"--selector={namespaces.LABEL}")
    yield found
    namespaces.delete_all(found.kubectl, "namespace", f"--selector={namespaces.LABEL}")
    namespaces.wait_for_no_volumes(found.kubectl, namespaces.PREFIX)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Image]:
    return sources.make_all(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def server(installation: Installation, images: Mapping[str, Image]) -> WebServer:
    """Serves all images under their names."""
    started = webserver.start(installation.kubectl)
    for image in images.values():
        started.put(image.name, image.path)
    return started


@pytest.fixture
def namespace(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own."""
    with namespaces.namespace(installation.kubectl, request.node.name) as inside:
        yield inside


@pytest.fixture(scope="module")
def shared_namespace(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Kubectl]:
    """kubectl in a namespace for all tests of a module, where much is started at once and then looked at."""
    with namespaces.namespace(installation.kubectl, Path(request.node.name).stem) as inside:
        yield inside


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found: Any = getattr(item, "funcargs", {}).get("installation")
    if report.failed and found is not None:
        for inside in namespaces.live:
            report.sections.append((f"namespace {inside.namespace}", namespaces.report(found, inside)))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What breaks the cluster comes last."""
    items.sort(key=lambda item: item.get_closest_marker("faults") is not None)
