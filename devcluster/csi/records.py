"""What is remembered of every volume and snapshot: one small JSON file each, written whole or not at all.

A record is the proof that its thing exists: it is written after the data is there and removed before the data is.
"""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

Mode = Literal["block", "filesystem"]


@dataclass(frozen=True)
class Volume:
    """A volume; `source` is the id of the volume or snapshot that its first content came from, or empty.

    `filesystem_bytes` is the size of the volume that the filesystem on it was last made for.
    """

    id: str
    name: str
    size_bytes: int
    mode: Mode
    source: str
    filesystem_bytes: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of `volume`, taken at `created_ns` (since the epoch); `filesystem_bytes` as in the volume."""

    id: str
    name: str
    volume: str
    size_bytes: int
    created_ns: int
    filesystem_bytes: int = 0


Record = TypeVar("Record", Volume, Snapshot)


class Records(Generic[Record]):
    """The records of one kind in one directory, each beside the image file of the same id."""

    def __init__(self, directory: Path, kind: type[Record]) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        directory.mkdir(exist_ok=True)
        files = sorted(directory.glob("*.json"))
        self._records: dict[str, Record] = {file.stem: kind(**json.loads(file.read_text())) for file in files}

    def __iter__(self) -> Iterator[Record]:
        """All records in the order of their ids."""
        with self._lock:
            return iter(sorted(self._records.values(), key=lambda record: record.id))

    def get(self, id: str) -> Record | None:
        with self._lock:
            return self._records.get(id)

    def image(self, id: str) -> Path:
        return self._directory / f"{id}.img"

    def put(self, record: Record) -> None:
        """Remember `record`, also over a power cut."""
        unfinished = self._directory / f"{record.id}.json.tmp"
        with open(unfinished, "w") as file:
            json.dump(asdict(record), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._directory / f"{record.id}.json")
        self._sync_directory()
        with self._lock:
            self._records[record.id] = record

    def remove(self, id: str) -> None:
        """Forget `id`, also over a power cut."""
        (self._directory / f"{id}.json").unlink()
        self._sync_directory()
        with self._lock:
            del self._records[id]

    def leftovers(self) -> list[Path]:
        """Files that no record vouches for: what a process that was killed half-way left."""
        kept = {f"{id}{suffix}" for id in self._records for suffix in (".json", ".img")}
        return [file for file in self._directory.iterdir() if file.name not in kept]

    def _sync_directory(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
