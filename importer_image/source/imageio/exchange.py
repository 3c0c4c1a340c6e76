"""Small requests with small answers: one connection each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPMessage

from importer_image.errors import ImportFailure, Transient
from importer_image.source import answer, fault
from importer_image.source.address import Address
from importer_image.source.connection import Connection
from importer_image.source.site import Site

MOST_BYTES = 64 << 20
"""A map with an entry for every cluster of a badly fragmented disk of 64 GiB has about so many."""


@dataclass(frozen=True)
class Reply:
    status: int
    reason: str
    headers: HTTPMessage = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def good(self) -> bool:
        return self.status // 100 == 2

    def failure(self) -> ImportFailure:
        return answer.failure_of(self.status, self.reason, self.headers, time.time())


def exchange(
    site: Site, method: str, address: Address, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Reply:
    """Raises ImportFailure when there is no answer; what an answer means is for the caller."""
    connection = Connection(site.route_to(address))
    try:
        response = connection.ask(method, headers or {}, body)
        found = response.read(MOST_BYTES + 1)
    except fault.BROKEN as error:
        raise fault.failure_of(error, address, connection.route.hop) from error
    finally:
        connection.close()
    if len(found) > MOST_BYTES:
        raise Transient(f'Get "{address.shown}": the answer has more than {MOST_BYTES} bytes')
    return Reply(response.status, response.reason, response.headers, found)
