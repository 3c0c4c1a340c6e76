"""A disk of oVirt as a source: whole, from its map and its bytes, or as the qcow2 file of what a snapshot changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from importer_image import job
from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent, Transient
from importer_image.extent import Extent, Extents
from importer_image.source import About, Disk, OnBytes, Range, Source
from importer_image.source.address import parse
from importer_image.source.http import PREFIX_BYTES, HttpSource, open_site
from importer_image.source.imageio.engine import Engine, Form, Wanted
from importer_image.source.imageio.server import SECTOR_BYTES, Allocation, reachable_server
from importer_image.source.imageio.transfer import INACTIVITY_S, Transfer, begin


def open_imageio(
    source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes
) -> Source | Disk:
    """Raises ImportFailure, and leaves no transfer behind then."""
    if not source.ca_dirs and not source.insecure:
        raise Permanent(
            "Error CA not provided",
            "Put oVirt's certificate authority into a ConfigMap and name it in certConfigMap (--cacert).",
        )
    engine = Engine(source, environment)
    form: Form = "cow" if source.is_delta else "raw"
    transfer = begin(engine, Wanted(source.disk_id, source.current_checkpoint, form, INACTIVITY_S))
    try:
        server = reachable_server(transfer.started().urls, source, environment)
        transfer.keep_alive(server.touch)
        connections = min(connections, server.most_readers)
        prefix_bytes = PREFIX_BYTES if source.is_delta else SECTOR_BYTES
        image = open_site(server.site, connections, on_bytes, prefix_bytes)
        if source.is_delta:
            return TransferredFile(image, transfer)
        if image.size_bytes is None:
            raise Permanent("the image server does not say how large the disk is")
        allocation = server.allocation(image.size_bytes) if image.ranged else None
        return TransferredDisk(TransferredFile(image, transfer), image.size_bytes, allocation, identity_of(source))
    except BaseException:
        transfer.end(succeeded=False)
        raise


def identity_of(source: job.Source) -> str:
    """A snapshot stays as it is; the disk of a machine may have another content a moment later."""
    if not source.current_checkpoint:
        return ""
    return f"{parse(source.url).shown} {source.disk_id} {source.current_checkpoint}"


class TransferredFile:
    """The bytes of a transfer, which ends with them: as succeeded when nothing that was begun was left unread."""

    def __init__(self, image: HttpSource, transfer: Transfer) -> None:
        self.name = image.name
        self.size_bytes = image.size_bytes
        self.ranged = image.ranged
        self._image = image
        self._transfer = transfer
        self._read_all = False

    def peek(self, length: int) -> bytes:
        return self._image.peek(length)

    def stream(self) -> Iterator[memoryview]:
        with self._reading():
            yield from self._image.stream()

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[tuple[int, memoryview]]:
        with self._reading():
            yield from self._image.read_ranges(ranges)

    def close(self) -> None:
        self._image.close()
        self._transfer.end(self._read_all)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What could be read a moment ago is there: a refusal means that the ticket is lost, not the disk."""
        self._read_all = False
        try:
            yield
        except Permanent as failure:
            raise Transient(
                f"image transfer {self._transfer.id} broke off: {failure.text}",
                "The image server was started anew or the transfer was ended in oVirt; the next attempt begins one.",
            ) from failure
        self._read_all = True


class TransferredDisk:
    """A raw disk, whatever it looks like: that is what was asked for."""

    name = "raw"

    def __init__(
        self, image: TransferredFile, virtual_bytes: int, allocation: Allocation | None, identity: str
    ) -> None:
        self.virtual_bytes = virtual_bytes
        self.size_bytes = allocation.data_bytes if allocation else virtual_bytes
        self.about = About(total_bytes=self.size_bytes, identity=identity if allocation else "")
        self._image = image
        self._allocation = allocation

    def extents(self) -> Extents:
        return self.rest(UNTOUCHED)

    def rest(self, covered: Covered) -> Extents:
        if self._allocation is None:
            offset = 0
            for view in self._image.stream():
                yield Extent(offset, len(view), view)
                offset += len(view)
            return
        for offset, length in self._allocation.zeros:
            yield Extent(offset, length, None)
        missing = [
            (start, end - start)
            for offset, length in self._allocation.data
            for start, end in covered.gaps(offset, offset + length)
        ]
        for offset, view in self._image.read_ranges(missing):
            yield Extent(offset, len(view), view)

    def close(self) -> None:
        self._image.close()
