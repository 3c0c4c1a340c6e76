"""Where a disk is written to: a file in a filesystem or a block device, behind one small protocol.

Opening a target only looks at it. `begin` is the first to change anything, so that a source that cannot be read leaves
everything as it was; only `finish` makes the disk one that may be used.
"""

from __future__ import annotations

from typing import Protocol

from importer_image import job
from importer_image.extent import Extent


class Target(Protocol):
    """A place for one disk. All methods raise `errors.Permanent` in the user's words."""

    path: str
    available_bytes: int
    """What the largest image that fits may have."""
    preallocated: bool
    """Whether all storage of the disk is really allocated."""

    @property
    def written_bytes(self) -> int:
        """Data that was really written; zeros that became holes do not count."""

    def begin(self, virtual_bytes: int | None) -> None:
        """Make room for a disk of that size (None: not known yet), over whatever an earlier attempt has left."""

    def write(self, extent: Extent) -> None:
        """Put one piece of the disk in its place."""

    def finish(self, virtual_bytes: int) -> None:
        """Give the disk its final size and return when all of it is on stable storage."""

    def discard(self) -> None:
        """Make sure that nobody takes what was written for a disk."""

    def close(self) -> None:
        """Let go of the file or device."""


def open_target(target: job.Target, *, over_existing: bool = False) -> Target:
    """`over_existing`: the disk is there, and what is written changes only parts of it."""
    if over_existing:
        from importer_image.target.existing import ExistingDisk

        return ExistingDisk(target)
    if target.volume_mode == "Block":
        from importer_image.target.block import BlockTarget

        return BlockTarget(target)
    from importer_image.target.file import FileTarget

    return FileTarget(target)
