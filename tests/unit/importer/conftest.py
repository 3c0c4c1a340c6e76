from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import missing_tools
from tests.unit.importer.webserver import WebServer, serving


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    missing = missing_tools()
    assert not missing, f"apt install qemu-utils nginx xz-utils zstd openssl: {', '.join(missing)} not found"
    with serving(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where imports go."""
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory / "disk.img"
