"""Where a disk is written to: a file in a filesystem or a block device, behind one small protocol.

Opening a target only looks at it. `begin` is the first to change anything, so that a source that cannot be read leaves
everything as it was; only `finish` makes the disk one that may be used.
"""

from __future__ import annotations

from typing import Protocol

from importer_image import job
from importer_image.covered import UNTOUCHED, Covered
from importer_image.extent import Extent
from importer_image.target.journal import Journal


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

    @property
    def changes(self) -> int:
        """Grows with everything for which `settle` has to wait; not with zeros where there are zeros."""

    @property
    def journal(self) -> Journal | None:
        """Where to write down how far the import is; None: nowhere. It ends with the import, done or discarded."""

    @property
    def withheld_bytes(self) -> int:
        """The beginning of the disk that is put in its place only by `finish`."""

    def imprint(self) -> str:
        """What tells the unfinished disk that is there from any other; empty when there is none."""

    def begin(self, virtual_bytes: int | None, kept: Covered = UNTOUCHED) -> Covered:
        """Make room for a disk of that size (None: not known yet), over whatever an earlier attempt has left.

        `kept` is what that attempt has finished of the disk with this imprint. Returns it, or nothing where it cannot
        be kept; all the rest reads as zeros or gets written.
        """

    def write(self, extent: Extent) -> None:
        """Put one piece of the disk in its place: `settle` covers it when this returns."""

    def settle(self) -> None:
        """Return when all that was written before is on stable storage. Another thread may go on writing."""

    def finish(self, virtual_bytes: int) -> None:
        """Give the disk its final size and return when all of it is on stable storage."""

    def discard(self) -> None:
        """Make sure that nobody takes what was written for a disk, or goes on from it."""

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
