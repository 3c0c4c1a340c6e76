"""From the bytes of a source to the extents of a disk: one decoder a format, found by content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from importer_image.codec import MAGIC_BYTES, codec_of
from importer_image.covered import Covered
from importer_image.errors import Permanent
from importer_image.extent import Extents
from importer_image.format.detect import Kind, recognised
from importer_image.format.raw import Raw
from importer_image.source import Disk

if TYPE_CHECKING:
    from importer_image.format.archive import Archive
    from importer_image.source import Source

HEAD_BYTES = 4096
LAYERS = 4
"""How often something compressed may be compressed again."""


class Image(Protocol):
    name: str
    """Of the format."""

    @property
    def virtual_bytes(self) -> int | None:
        """Size of the disk; None when only the end of the source will tell."""

    def extents(self) -> Extents:
        """The disk, each part of it once; of a delta what has changed.

        Raises ImportFailure for what is broken or must not be.
        """


@runtime_checkable
class Resumable(Protocol):
    """An image that an import can go on with, if its source can be read by range."""

    def rest(self, covered: Covered) -> Extents:
        """The disk without what an earlier attempt has left there already, of which a little may come again.

        Of nothing covered: the same as `extents` of an Image.
        """


def find_image(source: Source | Disk, base: str = "") -> tuple[Source | Disk, Image]:
    """The image, and the source to close after it (the given one or one around it). Raises Permanent.

    `base`: the one backing file that the image has to have, as it holds only the changes to it; empty: none.
    """
    if isinstance(source, Disk):
        return source, source
    if base:
        return source, _qcow2(source, source.peek(HEAD_BYTES), base)
    source, layers = unwrapped(source)
    head = source.peek(HEAD_BYTES)
    image = decoder_of(recognised(head, source.name), source, head)
    image.name += layers
    return source, image


def find_archive(source: Source) -> tuple[Source, Archive]:
    """The archive, and the source to close after it (the given one or one around it). Raises Permanent."""
    from importer_image.format.archive import Archive

    source, layers = unwrapped(source)
    return source, Archive(source, layers)


def unwrapped(source: Source) -> tuple[Source, str]:
    """What is inside all compression, and the layers of that as the end of a name: `.xz.gz`."""
    layers = ""
    while codec := codec_of(source.peek(MAGIC_BYTES)):
        if layers.count(".") == LAYERS:
            raise Permanent(f"the image is compressed more than {LAYERS} times")
        from importer_image.source.decompressed import Decompressed

        layers = f".{codec}{layers}"
        source = Decompressed(source, codec)
    return source, layers


def decoder_of(kind: Kind, source: Source, head: bytes) -> Image:
    """`head` is the beginning of the source. Imported only when an image needs it."""
    match kind.name:
        case "qcow2":
            return _qcow2(source, head, base="")
        case "vmdk":
            from importer_image.format.vmdk.decoder import open_vmdk

            return open_vmdk(source, head)
        case "vdi":
            from importer_image.format.vdi import Vdi

            return Vdi(source, head)
        case "vpc":
            from importer_image.format.vpc import Vpc

            return Vpc(source, head)
        case "vhdx":
            from importer_image.format.vhdx.decoder import Vhdx

            return Vhdx(source)
        case _:
            return Raw(source)


def _qcow2(source: Source, head: bytes, base: str) -> Image:
    from importer_image.format.qcow2.decoder import Qcow2
    from importer_image.format.qcow2.header import L1TooBig

    try:
        return Qcow2(source, head, base)
    except L1TooBig as failure:
        # Clients look for exactly this in events (literal texts 1.3).
        driver = {"file.driver": source.name.partition(":")[0], "file.url": source.name, "file.timeout": 3600}
        failure.text = f"qemu-img: Could not open 'json: {json.dumps(driver)}': {failure.text}"
        raise
