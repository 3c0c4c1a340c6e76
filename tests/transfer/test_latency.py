"""How far away a server is, which decides how much a request asks for."""

from __future__ import annotations

import math
from threading import Event

import pytest

from importer_image import job
from importer_image.source.belt import Stopped
from importer_image.source.http import PREFIX_BYTES, first_visit
from importer_image.source.reader import RangeReader
from importer_image.source.site import Site
from tests.images import MIB
from tests.transfer.faulty import Fault, faulty


def test_a_refusal_says_nothing_about_it() -> None:
    """A gateway may refuse at once what it then fetches from far away."""
    nobody_waits = Event()
    nobody_waits.set()
    with faulty(bytes(2 * MIB), [Fault(), Fault(status=503)]) as server:
        site = Site(job.Source(kind="http", url=server.url), {})
        visit = first_visit(site, PREFIX_BYTES)
        reader = RangeReader(site, visit.answer.facts, visit, nobody_waits, lambda count: None)
        reader.begin(MIB, MIB)
        view = memoryview(bytearray(MIB))
        with pytest.raises(Stopped):
            reader.fill(view)
        assert reader.latency_s == math.inf
        assert reader.fill(view) == MIB
        assert 0 < reader.latency_s < math.inf
        reader.abort()
        visit.connection.close()
