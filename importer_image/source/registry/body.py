"""Small documents over HTTP, whole and never more than there is room for."""

from __future__ import annotations

from importer_image.errors import Permanent, Transient
from importer_image.source.http import patiently
from importer_image.source.reader import take
from importer_image.source.site import Site, Visit

PIECE_BYTES = 64 << 10


def body_of(site: Site, limit_bytes: int) -> bytes:
    """Raises ImportFailure."""
    return patiently(lambda: _fetch(site, limit_bytes))


def _fetch(site: Site, limit_bytes: int) -> bytes:
    visit = site.knock(None)
    length = visit.answer.length
    try:
        content = (
            b"" if length and length > limit_bytes else _read(visit, limit_bytes + 1 if length is None else length)
        )
    finally:
        visit.connection.close()
    if (length or len(content)) > limit_bytes:
        raise Permanent(f"{visit.address.shown} has more than {limit_bytes} bytes", "This is not a container image.")
    if len(content) < (length or 0):
        raise Transient(f'Get "{visit.address.shown}": unexpected EOF')
    return content


def _read(visit: Visit, most_bytes: int) -> bytes:
    content = bytearray()
    piece = memoryview(bytearray(PIECE_BYTES))
    while (left := most_bytes - len(content)) and (count := take(visit.response, piece[:left], visit.connection)):
        content += piece[:count]
    return bytes(content)
