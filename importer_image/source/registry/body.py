"""Small documents over HTTP, whole and never more than there is room for."""

from __future__ import annotations

from importer_image.errors import Permanent, Transient
from importer_image.source.http import patiently
from importer_image.source.reader import take
from importer_image.source.site import Site

PIECE_BYTES = 64 << 10


def body_of(site: Site, limit_bytes: int) -> bytes:
    """Raises ImportFailure."""
    return patiently(lambda: _fetch(site, limit_bytes))


def _fetch(site: Site, limit_bytes: int) -> bytes:
    visit = site.knock(None)
    try:
        content = bytearray()
        piece = memoryview(bytearray(PIECE_BYTES))
        while len(content) <= limit_bytes and (count := take(visit.response, piece, visit.connection)):
            content += piece[:count]
    finally:
        visit.connection.close()
    if len(content) > limit_bytes:
        raise Permanent(f"{visit.address.shown} has more than {limit_bytes} bytes", "This is not a container image.")
    if visit.answer.length is not None and len(content) < visit.answer.length:
        raise Transient(f'Get "{visit.address.shown}": unexpected EOF')
    return bytes(content)
