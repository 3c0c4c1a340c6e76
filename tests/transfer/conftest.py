from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import prerequisites
from tests.transfer.webserver import WebServer, serving


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    missing = prerequisites.missing()
    assert not missing, f"apt install {' '.join(missing)}"
    with serving(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where imports go."""
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory / "disk.img"
