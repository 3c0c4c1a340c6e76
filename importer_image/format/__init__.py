"""From the bytes of a source to the extents of a disk: one decoder a format, found by content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from importer_image.errors import Permanent
from importer_image.extent import Extents
from importer_image.format.detect import COMPRESSED, Kind, recognised
from importer_image.format.raw import Raw

if TYPE_CHECKING:
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
        """The disk, each part of it once. Raises ImportFailure for what is broken or must not be."""


def find_image(source: Source) -> tuple[Source, Image]:
    """The image, and the source to close after it (the given one or one around it). Raises Permanent."""
    layers: list[str] = []
    while True:
        head = source.peek(HEAD_BYTES)
        kind = recognised(head, source.name)
        if kind not in COMPRESSED:
            image = decoder_of(kind, source, head)
            image.name = ".".join([image.name, *reversed(layers)])
            return source, image
        if len(layers) == LAYERS:
            raise Permanent(f"the image is compressed more than {LAYERS} times")
        from importer_image.format.compress import Decompressed

        layers.append(kind.name)
        source = Decompressed(source, kind.name)


def decoder_of(kind: Kind, source: Source, head: bytes) -> Image:
    """`head` is the beginning of the source. Imported only when an image needs it."""
    match kind.name:
        case "qcow2":
            return _qcow2(source, head)
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


def _qcow2(source: Source, head: bytes) -> Image:
    from importer_image.format.qcow2.decoder import Qcow2
    from importer_image.format.qcow2.header import L1TooBig

    try:
        return Qcow2(source, head)
    except L1TooBig as failure:
        # Clients look for exactly this in events (literal texts 1.3).
        driver = {"file.driver": source.name.partition(":")[0], "file.url": source.name, "file.timeout": 3600}
        failure.text = f"qemu-img: Could not open 'json: {json.dumps(driver)}': {failure.text}"
        raise
