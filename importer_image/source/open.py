"""Which module reads which kind of source: one case a kind, imported only when a job asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from importer_image import job
from importer_image.errors import Permanent
from importer_image.source import Disk, OnBytes, Source

READING = "Unable to process data: Unable to transfer source data to scratch space: Failed to read registry image"
CONNECTING = {"registry": READING, "mounted": READING}
"""The reference opens these later than others, and clients look for its words (literal texts 1.3)."""


def connecting(source: job.Source) -> str:
    """What was tried when `open_source` failed."""
    return CONNECTING.get(source.kind) or f"Unable to connect to {source.kind} data source"


def open_source(
    source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes
) -> Source | Disk:
    """Connect, and learn what there is to know before the first byte. Raises ImportFailure.

    `connections`: how many to fetch with, where the source can. `environment`: the proxies.
    """
    match source.kind:
        case "http":
            from importer_image.source.http import open_http

            return open_http(source, connections, environment, on_bytes)
        case "imageio":
            from importer_image.source.imageio.disk import open_imageio

            return open_imageio(source, connections, environment, on_bytes)
        case "stdin":
            from importer_image.source.feed import standard_input

            return standard_input(on_bytes)
        case "s3":
            from importer_image.source.s3 import open_s3

            return open_s3(source, connections, environment, on_bytes)
        case "gcs":
            from importer_image.source.gcs import open_gcs

            return open_gcs(source, connections, environment, on_bytes)
        case "registry":
            from importer_image.source.registry.image import open_registry

            return open_registry(source, connections, environment, on_bytes)
        case "mounted":
            from importer_image.source.mounted import open_mounted

            return open_mounted(source, on_bytes)
        case "vddk":
            from importer_image.source.vddk.disk import open_vddk

            return open_vddk(source, on_bytes)
        case _:
            raise Permanent(f"Unknown data source: {source.kind}")
