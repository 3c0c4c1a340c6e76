"""Reading from a server until all of it is there: what breaks goes on where it broke.

A `RangeReader` asks again for the rest of its range. A `StreamReader`, for servers without ranges or without a length,
has to read from the beginning again, and does so only where the answer can be recognised as the same file; otherwise it
gives up, because two halves of different files look like an image. Both refuse an answer that says that the file has
changed.
"""

from __future__ import annotations

import math
import time
from http.client import HTTPResponse
from threading import Event

from importer_image.errors import Transient
from importer_image.log import log
from importer_image.source import OnBytes, answer, fault
from importer_image.source.answer import Facts
from importer_image.source.belt import Stopped
from importer_image.source.connection import Connection, read_some
from importer_image.source.patience import READING
from importer_image.source.site import Site, Visit, ask, understand

SKIP_BYTES = 1 << 20


class RangeReader:
    """One range after another over one connection."""

    def __init__(self, site: Site, facts: Facts, found: Visit, stop: Event, on_bytes: OnBytes) -> None:
        """`found` says where the file is; its response is not touched."""
        self._site = site
        self._on_bytes = on_bytes
        self._facts = facts
        self._stop = stop
        self._address = found.address
        self._connection = Connection(site.route_to(found.address))
        self._response: HTTPResponse | None = None
        self._body_left = 0
        self._position = self._end = 0
        self.latency_s = math.inf
        """The least that an answer has taken to begin. A refusal may be quick where the bytes come from far away."""

    def begin(self, offset: int, length: int) -> None:
        self._position, self._end = offset, offset + length

    def reach(self) -> bool:
        """Whether there is a connection to the server; it asks for nothing yet."""
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except (OSError, Transient):
            return False
        return True

    def adopt(self, visit: Visit) -> int:
        """Begin with the range that a response is already bringing; returns its length."""
        length = visit.answer.length or 0
        self.begin(visit.answer.first, length)
        self._connection, self._response, self._body_left = visit.connection, visit.response, length
        return length

    def fill(self, view: memoryview) -> int:
        """The next bytes of the range, as many as the view has. Raises Stopped and ImportFailure."""
        got = failures = 0
        while got < len(view):
            try:
                got += self._read(view[got:])
                failures = 0
            except Transient as failure:
                self.abort()
                failures += 1
                wait(failure, failures, self._position, self._stop)
        return got

    def abort(self) -> None:
        """May be called from another thread."""
        self._connection.abort()
        self._connection.close()
        self._response = None

    def _read(self, view: memoryview) -> int:
        response = self._response or self._ask()
        count = take(response, view[: self._body_left], self._connection)
        if not count:
            raise Transient(f'Get "{self._address.shown}": unexpected EOF')
        self._on_bytes(count)
        self._position += count
        self._body_left -= count
        if not self._body_left:
            if response.chunked:
                response.read()
            response.close()
            self._response = None
        return count

    def _ask(self) -> HTTPResponse:
        wanted = (self._position, self._end - 1)
        reused, asked = self._connection.sock is not None, time.monotonic()
        try:
            response = ask(self._connection, self._address, wanted)
        except Transient:
            if not reused:
                raise
            # The server has closed a connection that was idle while the disk was slow. That is no failure.
            response = ask(self._connection, self._address, wanted)
        if self._site.asks_anew(self._address, response.status):
            # What let us in has expired, as happens with signed URLs and with tokens: ask the way once more.
            self._connection.close()
            visit = self._site.knock(wanted)
            self._address, self._connection = visit.address, visit.connection
            response, found = visit.response, visit.answer
        else:
            found = understand(response, wanted, self._address)
        answer.same(self._facts, found.facts)
        if not found.ranged or found.length is None:
            raise answer.WrongRange("the server has ceased to answer requests for ranges")
        self.latency_s = min(self.latency_s, time.monotonic() - asked)
        self._response, self._body_left = response, found.length
        return response


class StreamReader:
    """Everything from beginning to end over one connection."""

    def __init__(self, site: Site, visit: Visit, stop: Event, on_bytes: OnBytes) -> None:
        self._site = site
        self._on_bytes = on_bytes
        self._facts = visit.answer.facts
        self._visit: Visit | None = visit
        self._stop = stop
        self._position = 0

    def fill(self, view: memoryview) -> int:
        """The next bytes; fewer than the view has only at the end. Raises Stopped and ImportFailure."""
        got = failures = 0
        while got < len(view):
            try:
                count = self._read(view[got:])
                if not count:
                    break
                got += count
                failures = 0
            except Transient as failure:
                self.abort()
                if not self._facts.recognisable:
                    failure.hint = "The server supports neither ranges nor ETags, so the import has to start again."
                    raise
                failures += 1
                wait(failure, failures, self._position, self._stop)
        return got

    def abort(self) -> None:
        """May be called from another thread."""
        visit, self._visit = self._visit, None
        if visit:
            visit.connection.abort()
            visit.connection.close()

    def _read(self, view: memoryview) -> int:
        visit = self._visit or self._return()
        size = self._facts.size_bytes
        if size is not None:
            view = view[: size - self._position]
        count = take(visit.response, view, visit.connection) if view else 0
        self._on_bytes(count)
        self._position += count
        if not count and size is not None and self._position < size:
            raise Transient(f'Get "{visit.address.shown}": unexpected EOF')
        return count

    def _return(self) -> Visit:
        """Read once more what we have already."""
        visit = self._site.knock(None)
        self._visit = visit
        answer.same(self._facts, visit.answer.facts)
        scratch = memoryview(bytearray(SKIP_BYTES))
        left = self._position
        while left:
            count = take(visit.response, scratch[:left], visit.connection)
            if not count:
                raise Transient(f'Get "{visit.address.shown}": unexpected EOF')
            left -= count
        return visit


def take(response: HTTPResponse, view: memoryview, connection: Connection) -> int:
    try:
        return read_some(response, view)
    except fault.BROKEN as error:
        raise fault.failure_of(error, connection.route.address, connection.route.hop) from error


def wait(failure: Transient, failures: int, position: int, stop: Event) -> None:
    """Until the next attempt. Raises the failure when patience is over, Stopped when nobody waits any more."""
    if isinstance(failure, answer.Changed):
        raise failure
    pause_s = READING.pause_s(failures, answer.retry_after_of(failure))
    if pause_s is None:
        raise failure
    log("reading again", error=failure.text, position=position, attempt=failures, pause_s=round(pause_s, 1))
    if stop.wait(pause_s):
        raise Stopped
