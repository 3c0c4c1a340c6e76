"""Drivers for one test each, and the check that nothing of them stays in the system."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devcluster.csi import clean, mounts
from devcluster.prerequisites import ensure_machine
from tests.e2e.csi import devices
from tests.e2e.csi.driver import Driver


@pytest.fixture(scope="session")
def machine() -> None:
    """What the drivers need of this machine is there, though no cluster may have been started on it yet."""
    ensure_machine()


@pytest.fixture
def start_driver(machine: None) -> Iterator[Callable[..., Driver]]:
    """Starts drivers with the command-line arguments given; after the test nothing of them may be left."""
    if os.geteuid() != 0:
        pytest.fail("the storage of the dev cluster mounts volumes: run these tests as root")
    started: list[Driver] = []
    # The paths of unix sockets are short, those of pytest's own directories are not.
    home = Path(tempfile.mkdtemp(prefix="csi-"))

    def start(*arguments: str) -> Driver:
        started.append(Driver(home / str(len(started)), arguments))
        started[-1].home.mkdir()
        started[-1].start()
        return started[-1]

    yield start
    for driver in started:
        try:
            if driver.process.poll() is None:
                driver.stop()
        finally:
            clean.clean(driver.data)
    assert not [mount for mount in mounts.mounts() if mount.target.startswith(str(home))]
    devices.wait_for_none(home)
    shutil.rmtree(home)


@pytest.fixture
def driver(start_driver: Callable[..., Driver]) -> Driver:
    return start_driver()
