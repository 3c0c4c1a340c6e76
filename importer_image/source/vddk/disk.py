"""A disk of a VMware machine as a source: whole, as it is or was at a snapshot, or what has changed since then."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence

from importer_image import job
from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Extent, Extents
from importer_image.log import log
from importer_image.source import About, OnBytes, Range
from importer_image.source.address import parse
from importer_image.source.nbd.connection import Connection
from importer_image.source.nbd.reader import Reader
from importer_image.source.site import keys_in
from importer_image.source.vddk.command import EXTRA_ARGUMENTS, TEST_PLUGIN, Opening
from importer_image.source.vddk.nbdkit import Nbdkit
from importer_image.source.vddk.vsphere import Wanted, look_up

SECTOR_BYTES = 512


def open_vddk(source: job.Source, on_bytes: OnBytes) -> VddkDisk:
    """Raises ImportFailure: no library, no such machine, disk or snapshot, not allowed."""
    plugin = require_library(source.library_dir)
    address = parse(source.url)
    user, password = keys_in(source.secret_dir) if source.secret_dir else split_credentials(address.credentials)
    wanted = Wanted(source.uuid, source.backing_file, source.current_checkpoint, source.previous_checkpoint)
    found = look_up(address, (user, password), source.ca_dirs, wanted)
    opening = Opening(
        server=address.authority,
        user=user,
        thumbprint=source.thumbprint,
        machine=found.machine,
        file=found.file,
        snapshot=found.snapshot,
        plugin=plugin,
        library_dir=source.library_dir,
        config_file=extra_arguments(source.extra_args_dir),
    )
    log("opening", machine=found.machine, file=found.file, snapshot=found.snapshot or "none")
    nbdkit = Nbdkit(opening, password)
    try:
        with nbdkit.explaining():
            # A snapshot stays as it is; the disk of a machine may have another content a moment later.
            identity = f"{address.authority} {found.machine} {found.file} {found.snapshot}" if found.snapshot else ""
            return VddkDisk(nbdkit, nbdkit.connect(), found.changed, identity, on_bytes)
    except BaseException:
        nbdkit.close()
        raise


def split_credentials(text: str) -> tuple[str, str]:
    user, _, password = text.partition(":")
    return user, password


def require_library(library_dir: str) -> str:
    """The plugin of nbdkit to use."""
    if os.path.exists(TEST_PLUGIN):
        return TEST_PLUGIN
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Permanent(
            f"the VMware library runs only on amd64, this node is {platform.machine()}",
            "Let the importer run on nodes with amd64: key vddk-node-selector of the ConfigMap in extraArgs.",
        )
    if not os.path.isdir(library_dir):
        raise Permanent(
            f"the VMware library is not in {library_dir}",
            "Name an image that has it: initImageURL, or vddk-init-image in the ConfigMap v2v-vmware.",
        )
    return "vddk"


def extra_arguments(directory: str) -> str:
    """The file with settings for the library; empty for none."""
    path = os.path.join(directory, EXTRA_ARGUMENTS) if directory else ""
    if path and not os.path.isfile(path):
        raise Permanent(f"the ConfigMap of extraArgs has no key {EXTRA_ARGUMENTS}")
    return path


class VddkDisk:
    name = "raw"

    def __init__(
        self,
        nbdkit: Nbdkit,
        connection: Connection,
        changed: Sequence[Range] | None,
        identity: str,
        on_bytes: OnBytes,
    ) -> None:
        """`changed`: the only parts that are wanted; None for all."""
        self.virtual_bytes = connection.size_bytes
        self._nbdkit = nbdkit
        self._areas = [(0, self.virtual_bytes)] if changed is None else clipped(changed, self.virtual_bytes)
        self._data = list(allocated(connection, self._areas))
        # The library goes on speaking while it reads: what it says of itself is there when the report is made.
        self.about = About(total_bytes=self.size_bytes, identity=identity, vddk_info=nbdkit.log.info)
        self._reader = Reader(connection, nbdkit.connect, on_bytes)

    @property
    def size_bytes(self) -> int:
        return sum(length for _, length in self._data)

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        areas, data = (without(covered, ranges, self.virtual_bytes) for ranges in (self._areas, self._data))
        with self._nbdkit.explaining():
            yield from with_zeros(self._reader.slices(data), areas)

    def close(self) -> None:
        self._reader.close()
        self._nbdkit.close()


def clipped(areas: Iterable[Range], size_bytes: int) -> list[Range]:
    """Whole sectors on the disk, each once, in order: what nbdkit can be asked for."""
    found: list[Range] = []
    for start, length in sorted(areas):
        end = min(-(-(start + length) // SECTOR_BYTES) * SECTOR_BYTES, size_bytes)
        begin = start // SECTOR_BYTES * SECTOR_BYTES
        if found and begin <= sum(found[-1]):
            begin, before = found.pop()
            end = max(end, begin + before)
        if begin < end:
            found.append((begin, end - begin))
    return found


def without(covered: Covered, ranges: Iterable[Range], size_bytes: int) -> list[Range]:
    """What is left of them. The bounds of what is covered come from a journal, and need not be those of sectors."""
    gaps = (gap for offset, length in ranges for gap in covered.gaps(offset, offset + length))
    return clipped(((start, end - start) for start, end in gaps), size_bytes)


def allocated(connection: Connection, areas: Iterable[Range]) -> Iterator[Range]:
    """The parts of these areas that do not read as zeros, as long as they can be."""
    for start, length in areas:
        offset = begin = start
        for run in connection.runs(start, length):
            if run.zero:
                if begin < offset:
                    yield begin, offset - begin
                begin = offset + run.length
            offset += run.length
        if begin < offset:
            yield begin, offset - begin


def with_zeros(slices: Iterable[tuple[int, memoryview]], areas: Iterable[Range]) -> Extents:
    """The areas, each once: these slices of them, which come in order, and zeros between them."""
    waiting = iter(areas)
    position = end = 0
    for offset, view in slices:
        while offset >= end:
            if position < end:
                yield Extent(position, end - position, None)
            position, length = next(waiting)
            end = position + length
        if position < offset:
            yield Extent(position, offset - position, None)
        yield Extent(offset, len(view), view)
        position = offset + len(view)
    if position < end:
        yield Extent(position, end - position, None)
    for position, length in waiting:
        yield Extent(position, length, None)
