from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer_image.source.imageio import transfer
from tests import prerequisites
from tests.transfer.imageio import Daemon, imageio
from tests.transfer.ovirt import Ovirt, ovirt_over
from tests.transfer.registries import Registries, registries
from tests.transfer.webserver import WebServer, serving


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    missing = prerequisites.missing()
    assert not missing, f"apt install {' '.join(missing)}"
    with serving(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    missing = prerequisites.missing()
    assert not missing, f"apt install {' '.join(missing)}"
    with imageio(tmp_path_factory.mktemp("imageio")) as running:
        yield running


@pytest.fixture
def ovirt(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ovirt]:
    monkeypatch.setattr(transfer, "PACE", transfer.Pace(5, 0.01, 100, 0.01, 0.2, 3, 0.01))
    with ovirt_over(daemon, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    """Registries with the same images, each with its own way to let somebody in."""
    missing = prerequisites.missing()
    assert not missing, f"apt install {' '.join(missing)}"
    with registries(tmp_path_factory.mktemp("registries")) as found:
        yield found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where imports go."""
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory / "disk.img"
