"""How a transfer is told: what a worker says, its report, and what was shown before, put together."""

import json

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.seen import claim
from cdi_operator.flows.transfer import NOTHING, Transfer, duration, ended, noted, said, shown, speed
from tests.unit.flows.given import prime

FAILED = Transfer(
    format="raw", source_bytes=50, total_bytes=100, message="no route", hint="Plug it in.", error="Transient"
)
HALF = Transfer("transfer", "raw", source_bytes=50, total_bytes=100, speed_bytes_per_second=10, eta_seconds=5)
DONE = Transfer("done", "raw", source_bytes=100, total_bytes=100, stage_seconds={"transfer": "9.99"})


def at(source_bytes, **more):
    return Transfer("transfer", "raw", source_bytes=source_bytes, total_bytes=100, **more)


def test_what_is_written_can_be_read():
    told = Transfer("done", "qcow2", 1, 2, 3, 4, 5, 0, 6, 0, {"fetch": "0.10"}, "why", "what", "Permanent", 7, "now")
    assert Transfer.from_json(json.loads(told.text())) == told
    assert NOTHING.text() is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", NOTHING),
        ("no json", NOTHING),
        ("[1]", NOTHING),
        ("[" * 100_000, NOTHING),
        ('{"stage":1,"sourceBytes":"7","message":"m","unknown":1}', Transfer(message="m")),
        ('{"sourceBytes":-1,"totalBytes":1.5,"writtenBytes":true}', NOTHING),
        ('{"sourceBytes":9223372036854775808}', NOTHING),
        ('{"sourceBytes":9223372036854775807}', Transfer(source_bytes=(1 << 63) - 1)),
        ('{"stageSeconds":{"fetch":1}}', NOTHING),
        ('{"stageSeconds":{"fetch":"1.00"}}', Transfer(stage_seconds={"fetch": "1.00"})),
    ],
)
def test_whatever_somebody_wrote_on_a_claim(text, wanted):
    """What goes on into a status has to be of the right type, or the API server takes none of that."""
    assert noted(claim(prime(annotations={names.TRANSFER: text}))) == wanted


def summary(transfer):
    return transfer.source_bytes, transfer.message, transfer.error, transfer.speed_bytes_per_second


@pytest.mark.parametrize(
    ("told", "before", "live", "wanted"),
    [
        # of an attempt that ended, shown before, worker -> bytes, message, error, speed
        (NOTHING, NOTHING, None, (0, "", "", 0)),
        (NOTHING, NOTHING, HALF, (50, "transferring", "", 10)),
        (NOTHING, HALF, at(60, speed_bytes_per_second=9), (60, "transferring", "", 9)),
        (NOTHING, HALF, None, (50, "", "", 0)),
        (FAILED, HALF, None, (50, "no route", "Transient", 0)),
        # again from the beginning: the bytes do not fall, and the error stays until it has got further
        (FAILED, FAILED, at(3, speed_bytes_per_second=1), (50, "no route", "Transient", 1)),
        (FAILED, FAILED, at(50), (50, "no route", "Transient", 0)),
        (FAILED, FAILED, at(51), (51, "transferring", "", 0)),
        (DONE, at(99), None, (100, "", "", 0)),
        # another image is there now; the work begins anew after it was done
        (FAILED, HALF, Transfer("transfer", source_bytes=3, total_bytes=7), (3, "no route", "Transient", 0)),
        (NOTHING, DONE, at(3), (3, "transferring", "", 0)),
    ],
)
def test_shown(told, before, live, wanted):
    assert summary(shown(told, before, live)) == wanted


def test_what_is_known_stays_known():
    """A new worker has not looked at the image yet."""
    before = Transfer("transfer", "qcow2", 50, 100, 40, 1000, average_speed_bytes_per_second=8)
    found = shown(NOTHING, before, Transfer("connect"))
    assert (found.stage, found.format, found.total_bytes, found.virtual_size_bytes) == ("connect", "qcow2", 100, 1000)
    assert (found.written_bytes, found.average_speed_bytes_per_second) == (40, 8)


QUEUED = Transfer("queued", message="waiting", queue_position=3, as_of="now")


@pytest.mark.parametrize(
    ("before", "attempt", "wanted"),
    [
        (NOTHING, NOTHING, NOTHING),
        (NOTHING, FAILED, FAILED),
        # the next worker has only just begun, and then got further, or not so far
        (FAILED, NOTHING, FAILED),
        (FAILED, Transfer(source_bytes=60, total_bytes=100), Transfer("", "raw", 60, 100)),
        (FAILED, DONE, DONE),
        (QUEUED, NOTHING, NOTHING),
        (QUEUED, DONE, DONE),
    ],
)
def test_on_the_claim_that_is_worked_on(before, attempt, wanted):
    assert ended(before, attempt) == wanted


@pytest.mark.parametrize(
    ("message", "hint", "text"),
    [
        ("no route", "", "no route"),
        ("no route", "Plug it in.", "no route. Plug it in."),
        ("No route.", "Plug it in.", "No route. Plug it in."),
        ("", "", ""),
    ],
)
def test_said(message, hint, text):
    assert said(message, hint) == text


@pytest.mark.parametrize(
    ("bytes_per_second", "text"),
    [
        (0, ""),
        (999, "999 B/s"),
        (1000, "1.0 kB/s"),
        (12_345_678, "12.3 MB/s"),
        (1.5e9, "1.5 GB/s"),
        (2e15, "2000.0 TB/s"),
    ],
)
def test_speed(bytes_per_second, text):
    assert speed(bytes_per_second) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, ""), (45, "45s"), (60, "1m0s"), (200, "3m20s"), (7500, "2h5m")])
def test_duration(seconds, text):
    assert duration(seconds) == text
