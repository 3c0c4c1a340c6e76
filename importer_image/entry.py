"""The value that travels from an archive to a directory: one file, directory or link."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from importer_image.extent import Buffer


@dataclass(frozen=True)
class Entry:
    kind: Literal["file", "directory", "symlink", "hardlink"]
    path: tuple[str, ...]
    """Names from the root of the archive, none of them `..`; none at all for the root."""
    mode: int
    """Permissions. Who owns a file is not ours to say."""
    modified_ns: int
    """Since the epoch."""
    size_bytes: int = 0
    content: Iterable[tuple[int, Buffer]] = ()
    """Of a file: pieces with their offsets, ascending, the rest is holes. To be read once, before the next entry."""
    link: tuple[str, ...] = ()
    """Where a link points to: a hard link from the root of the archive, a symbolic one from its own directory."""

    @property
    def name(self) -> str:
        return "/".join(self.path)
