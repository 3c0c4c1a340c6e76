"""The store: volumes and snapshots as files of the pool.

A volume is one sparse file, a snapshot another one that shares its blocks (FICLONE). Nothing here is undone on failure:
a file that got no record is swept away by the next start, and every step may be repeated.
"""

import errno
import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from devcluster.csi import ext4, loop, mounts
from devcluster.csi.errors import already_exists, exhausted, not_found, not_now
from devcluster.csi.pool import Pool
from devcluster.csi.records import Mode, Record, Records, Snapshot, Volume
from devcluster.csi.requests import SizeRange
from devcluster.shell import run

log = logging.getLogger(__name__)

_FICLONE = 0x40049409  # linux/fs.h


class Store:
    """Everything the pool holds. Safe to use from several threads; one process at a time owns a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.volumes = Records(pool.directory / "volumes", Volume)
        self.snapshots = Records(pool.directory / "snapshots", Snapshot)
        self._locks = [threading.Lock() for _ in range(64)]
        for leftover in [*self.volumes.leftovers(), *self.snapshots.leftovers()]:
            log.warning("removing what an interrupted call left: %s", leftover)
            leftover.unlink()

    def volume(self, id: str) -> Volume:
        if volume := self.volumes.get(id):
            return volume
        raise not_found(f"there is no volume {id}")

    def snapshot(self, id: str) -> Snapshot:
        if snapshot := self.snapshots.get(id):
            return snapshot
        raise not_found(f"there is no snapshot {id}")

    def image(self, volume: Volume) -> Path:
        return self.volumes.image(volume.id)

    def devices(self, id: str) -> list[loop.Loop]:
        """The devices that a volume is attached to: one to write to, and one that only reads."""
        image = self.volumes.image(id)
        return [device for ro in (False, True) if (device := loop.find(image, read_only=ro))]

    @contextmanager
    def holding(self, *ids: str) -> Iterator[None]:
        """Let nobody else work on these volumes or snapshots for the length of the block."""
        # In one order for everybody, so that two callers never wait for each other.
        with ExitStack() as held:
            for stripe in sorted({hash(id) % len(self._locks) for id in ids if id}):
                held.enter_context(self._locks[stripe])
            yield

    def create_volume(self, name: str, size: SizeRange, mode: Mode, source: str = "") -> Volume:
        """Make the volume `name`, empty or with the content of the volume or snapshot `source`.

        The same request again returns the same volume; `CsiError` if the name is taken by a different one, the source
        is not there, the size does not hold it, or the pool has not that much space.
        """
        id = _id_of("vol", name)
        with self.holding(id, source):
            if existing := self.volumes.get(id):
                if existing.size_bytes in size and (existing.mode, existing.source) == (mode, source):
                    return existing
                raise already_exists(f"volume {name} exists with another size, mode or source")
            origin = self._source(source) if source else None
            size_bytes = size.choose(at_least=origin.size_bytes if origin else 0)
            self._check_space(size_bytes)
            volume = Volume(id, name, size_bytes, mode, source, origin.filesystem_bytes if origin else size_bytes)
            unfinished = self.image(volume).with_suffix(".img.tmp")
            if origin:
                self._copy(origin, unfinished)
            with open(unfinished, "r+b" if origin else "wb") as image:
                image.truncate(size_bytes)
            if mode == "filesystem" and not origin:
                ext4.make(unfinished)
            self._finish(unfinished, self.volumes, volume)
            return volume

    def delete_volume(self, id: str) -> None:
        """Remove a volume that no node uses; one that is not there is fine."""
        with self.holding(id):
            if self.volumes.get(id) is None:
                return
            if users := self._users(id):
                raise not_now(f"volume {id} is still in use: {', '.join(users)}")
            self.volumes.remove(id)
            self.volumes.image(id).unlink()

    def expand_volume(self, id: str, size: SizeRange) -> Volume:
        """Make the volume at least as large as `size` asks; a device that is attached grows with it."""
        with self.holding(id):
            volume = self.volume(id)
            if volume.size_bytes >= size.required_bytes:
                return volume
            size_bytes = size.choose(at_least=0)
            self._check_space(size_bytes - volume.size_bytes)
            os.truncate(self.image(volume), size_bytes)
            for device in self.devices(id):
                loop.grow(device)
            volume = replace(volume, size_bytes=size_bytes)
            self.volumes.put(volume)
            return volume

    def note_filesystem_fits(self, volume: Volume) -> None:
        """Remember that the filesystem on the volume is as large as the volume; the caller is `holding` it."""
        self.volumes.put(replace(volume, filesystem_bytes=volume.size_bytes))

    def create_snapshot(self, name: str, volume_id: str) -> Snapshot:
        """Freeze what the volume holds now: whatever a program was told is written is in it."""
        id = _id_of("snap", name)
        with self.holding(id, volume_id):
            if existing := self.snapshots.get(id):
                if existing.volume == volume_id:
                    return existing
                raise already_exists(f"snapshot {name} exists and is one of volume {existing.volume}")
            volume = self.volume(volume_id)
            now_ns = time.time_ns()
            snapshot = Snapshot(id, name, volume_id, volume.size_bytes, now_ns, volume.filesystem_bytes)
            unfinished = self.snapshots.image(id).with_suffix(".img.tmp")
            self._copy(volume, unfinished)
            self._finish(unfinished, self.snapshots, snapshot)
            return snapshot

    def delete_snapshot(self, id: str) -> None:
        """Remove a snapshot; volumes made from it stay, and one that is not there is fine."""
        with self.holding(id):
            if self.snapshots.get(id):
                self.snapshots.remove(id)
                self.snapshots.image(id).unlink()

    def _source(self, id: str) -> Volume | Snapshot:
        if source := self.volumes.get(id) or self.snapshots.get(id):
            return source
        raise not_found(f"there is no volume or snapshot {id} to copy from")

    def _check_space(self, size_bytes: int) -> None:
        if size_bytes > self.pool.free_bytes:
            raise exhausted(f"not enough free space for {size_bytes} bytes")

    def _users(self, id: str) -> list[str]:
        users = []
        for device in self.devices(id):
            users += [mount.target for mount in mounts.of(device)]
            # A device that goes by itself may have an unseen user for a moment: a container that is being started
            # has copies of all mounts until it has its own root.
            users += [device.device] if device.stays else []
        return users

    def _copy(self, origin: Volume | Snapshot, target: Path) -> None:
        if isinstance(origin, Snapshot):
            source = self.snapshots.image(origin.id)
        else:
            source = self.image(origin)
            if device := loop.find(source):
                _flush(device)
        with open(source, "rb") as old, open(target, "wb") as new:
            try:
                fcntl.ioctl(new, _FICLONE, old.fileno())
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise exhausted("not enough free space for a copy") from error
                raise

    def _finish(self, unfinished: Path, records: Records[Record], record: Record) -> None:
        with open(unfinished, "rb") as image:
            os.fsync(image.fileno())
        unfinished.rename(records.image(record.id))
        records.put(record)


def _flush(device: loop.Loop) -> None:
    """Bring what programs have written to a volume in use into its file."""
    for mount in mounts.of(device):
        if mount.device_number == device.device_number:
            run(["sync", "--file-system", mount.target])
            break
    loop.flush(device)


def _id_of(kind: str, name: str) -> str:
    """A name may be any text; the id that follows from it is safe as a file name, so a repeated call finds its work."""
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
