"""An oVirt of one host, and imports from it in few words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer_image.job import Job, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress
from tests.transfer import engine as stand_in
from tests.transfer.engine import Engine
from tests.transfer.imageio import Daemon


@dataclass
class Ovirt:
    """An engine, and how to import from it."""

    engine: Engine
    secrets: Path
    volumes: Path

    def disk(self, name: str, content: bytes = b"", size_bytes: int = 0) -> Path:
        """A raw disk that begins with that content."""
        path = self.volumes / name
        with path.open("wb") as file:
            file.write(content)
            file.truncate(max(size_bytes, len(content)))
        self.engine.disks[name] = stand_in.Disk(self.volumes, name, name)
        return path

    def source(self, disk: str, **settings: Any) -> Source:
        trusted = {"secret_dir": str(self.secrets), "ca_dirs": (str(self.engine.daemon.certificates),)}
        return Source("imageio", self.engine.url, disk_id=disk, **{**trusted, **settings})

    def imported(
        self, disk: str, out: Path, *, target: Any = None, progress: Progress | None = None, **source: Any
    ) -> Report:
        to = target or Target(str(out.parent), "Filesystem", 0, file=out.name)
        return run(Job(self.source(disk, **source), to, connections=4), progress or Progress(), {})


@contextmanager
def ovirt_over(daemon: Daemon, home: Path) -> Iterator[Ovirt]:
    """An engine for that daemon, with no disk yet."""
    secrets, volumes = home / "secrets", home / "volumes"
    volumes.mkdir()
    secrets.mkdir()
    (secrets / "accessKeyId").write_text(stand_in.USER)
    (secrets / "secretKey").write_text(stand_in.PASSWORD + "\n")
    with stand_in.engine(daemon) as engine:
        yield Ovirt(engine, secrets, volumes)


class At(Progress):
    """Does something once, when so many bytes have come."""

    def __init__(self, after_bytes: int, action: Callable[[], object]) -> None:
        super().__init__()
        self._after_bytes = after_bytes
        self._action: Callable[[], object] | None = action

    def came_in(self, count: int) -> None:
        super().came_in(count)
        if self._action and self.source_bytes > self._after_bytes:
            action, self._action = self._action, None
            action()
