"""The imageio daemon: what it says about the image of a ticket, in which all of its authorization lies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from importer_image import job
from importer_image.errors import Transient
from importer_image.log import log
from importer_image.source import Range
from importer_image.source.imageio.exchange import exchange
from importer_image.source.site import Site

SECTOR_BYTES = 512
MERGE_GAP_BYTES = 64 << 10
"""Two pieces of data this close are fetched by one request: the zeros between cost less than a round trip."""


@dataclass(frozen=True)
class Allocation:
    """Which parts of a disk hold data, and which only zeros: together all of it, each in ascending order."""

    data: Sequence[Range]
    zeros: Sequence[Range]

    @property
    def data_bytes(self) -> int:
        return sum(length for _, length in self.data)


class Server:
    def __init__(self, source: job.Source, environment: Mapping[str, str]) -> None:
        self.site = Site(source, environment)
        self.features: Sequence[str] = ()
        self.most_readers = 1

    def meet(self) -> None:
        """Raises ImportFailure when the ticket is not good there. Daemons before 1.2 know no features."""
        reply = exchange(self.site, "OPTIONS", self.site.origin)
        if reply.status in (401, 403, 404) or reply.status >= 500:
            raise reply.failure()
        try:
            said: dict[str, Any] = json.loads(reply.body)
            self.features, self.most_readers = said["features"], max(1, int(said.get("max_readers", 1)))
        except (ValueError, TypeError, KeyError):
            log("the image server names no features", server=self.site.origin.shown)

    def allocation(self, size_bytes: int) -> Allocation | None:
        """None when the server does not know."""
        if "extents" not in self.features:
            return None
        origin = self.site.origin
        reply = exchange(self.site, "GET", replace(origin, target=f"{origin.target}/extents"))
        if not reply.good:
            raise reply.failure()
        return allocation_of(reply.body, size_bytes)

    def touch(self) -> None:
        """Read a sector, so that the ticket is seen to be used."""
        visit = self.site.knock((0, SECTOR_BYTES - 1))
        visit.connection.close()


def reachable_server(urls: Sequence[str], source: job.Source, environment: Mapping[str, str]) -> Server:
    """The first that can be reached: from a pod it may be only the engine's proxy."""
    for url in urls:
        server = Server(job.Source("http", url, ca_dirs=source.ca_dirs, insecure=source.insecure), environment)
        try:
            server.meet()
            return server
        except Transient as failure:
            if url == urls[-1]:
                raise
            log("trying the proxy of the engine", error=failure.text)
    raise AssertionError("a transfer has a URL")


def allocation_of(text: bytes, size_bytes: int) -> Allocation:
    """From the daemon's JSON, a list of extents `{start, length, zero}`. Raises Transient when it makes no sense."""
    data: list[Range] = []
    zeros: list[Range] = []
    position = 0
    try:
        for start, length, zero in json.loads(text, object_hook=_extent):
            if start != position or length <= 0:
                raise ValueError(f"an extent at {start} of {length} bytes, after {position}")
            position += length
            if not zero:
                _add(data, start, length, MERGE_GAP_BYTES)
    except (ValueError, TypeError, KeyError) as error:
        raise Transient(f"the image server does not say what is allocated: {error}") from error
    if position != size_bytes:
        raise Transient(f"the image server says what is allocated of {position} bytes, but the disk has {size_bytes}")
    position = 0
    for start, length in data:
        if start > position:
            zeros.append((position, start - position))
        position = start + length
    if size_bytes > position:
        zeros.append((position, size_bytes - position))
    return Allocation(data, zeros)


def _extent(raw: Mapping[str, Any]) -> tuple[int, int, bool]:
    """As small as can be as soon as can be: there may be a million."""
    return raw["start"], raw["length"], raw["zero"]


def _add(ranges: list[Range], start: int, length: int, gap_bytes: int) -> None:
    if ranges:
        last, last_length = ranges[-1]
        if start - (last + last_length) <= gap_bytes:
            ranges[-1] = (last, start + length - last)
            return
    ranges.append((start, length))
