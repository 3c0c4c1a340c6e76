"""Finding a disk and a snapshot in what vSphere says of a machine. Pure: looks only at objects that were fetched.

Whoever migrates a machine names a disk by its file as it was first seen. Each snapshot puts a new file on top of the
old one, so a disk is the one wanted when the name is anywhere in its chain of files, and what stays the same is the
disk's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DiskFile:
    """One disk of a machine at one moment."""

    key: int
    """The same in all snapshots."""
    file: str
    """On top of its chain."""
    size_bytes: int
    change_id: str
    """Names this state of the disk for the question what has changed since; empty: changes are not tracked."""


def disk_with_file(devices: Iterable[Any], file: str) -> DiskFile | None:
    return next((disk_of(each) for each in disks(devices) if file in chain(each.backing)), None)


def disk_with_key(devices: Iterable[Any], key: int) -> DiskFile | None:
    return next((disk_of(each) for each in disks(devices) if each.key == key), None)


def snapshots(trees: Iterable[Any]) -> Iterator[Any]:
    """Every snapshot below these, from the oldest."""
    for tree in trees:
        yield tree.snapshot
        yield from snapshots(tree.childSnapshotList or [])


def reference(managed: Any) -> str:
    """The name of an object of vSphere, e.g. vm-42."""
    found: str = managed._moId
    return found


def is_change_id(checkpoint: str) -> bool:
    """`52 3c ec 11 9e 2c 4c 3d-87 4a c3 4e 85 f2 ea 95/4`, where a snapshot is called snapshot-42."""
    return "/" in checkpoint


def disks(devices: Iterable[Any]) -> Iterator[Any]:
    """Devices with a size and a file: of no other kind is a disk, whatever its name."""
    return (each for each in devices if hasattr(each, "capacityInBytes") and getattr(each.backing, "fileName", None))


def disk_of(device: Any) -> DiskFile:
    backing = device.backing
    size_bytes = device.capacityInBytes or (device.capacityInKB or 0) * 1024
    return DiskFile(device.key, backing.fileName, size_bytes, getattr(backing, "changeId", None) or "")


def chain(backing: Any) -> Iterator[str]:
    """The files of a disk, from the newest."""
    while backing is not None:
        yield backing.fileName
        backing = getattr(backing, "parent", None)
