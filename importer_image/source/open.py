"""Which module reads which kind of source: one case a kind, imported only when a job asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from importer_image import job
from importer_image.errors import Permanent
from importer_image.source import OnBytes, Source


def open_source(source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes) -> Source:
    """Connect, and learn what there is to know before the first byte. Raises ImportFailure.

    `connections`: how many to fetch with, where the source can. `environment`: the proxies.
    """
    match source.kind:
        case "http":
            from importer_image.source.http import open_http

            return open_http(source, connections, environment, on_bytes)
        case "stdin":
            from importer_image.source.feed import standard_input

            return standard_input(on_bytes)
        case _:
            raise Permanent(f"Unknown data source: {source.kind}")
