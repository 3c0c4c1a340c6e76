"""How the transfer onto a claim goes: what happens, how fast, until when, and why not, as one value.

A worker tells it while it runs, and its report when it has ended; a claim that waits for its turn tells its place in
the queue. It travels as JSON in one annotation of our own (`names.TRANSFER`), from the hidden claim over its target
into `status.transfer` of the DataVolume; what a running worker tells does not pass over the hidden claim, which would
cost a write more.

What was shown once does not go back: a new attempt that begins again shows the bytes of the furthest one until it gets
further, and the error of the last one until then, so that a worker that crashes again and again does not flicker.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cdi_operator.api import annotations as names
from cdi_operator.flows.seen import Claim
from importer_image.job import camel

DONE = "done"
"""The stage after the last."""
DOING = {
    "start": "starting",
    "connect": "connecting to the source",
    "inspect": "looking at what the source gives",
    "transfer": "transferring",
    "sync": "waiting until all of it is on the storage",
    "queued": "waiting for its turn",
}
"""What a stage is called in a sentence."""

MOST = 1 << 63
"""More is no number of the API."""

ErrorKind = Literal["", "Transient", "Permanent"]


@dataclass(frozen=True)
class Transfer:
    """What is not known is 0 or empty. The fields are described for users in `cdi_operator.api.transfer`."""

    stage: str = ""
    format: str = ""
    source_bytes: int = 0
    total_bytes: int = 0
    written_bytes: int = 0
    virtual_size_bytes: int = 0
    resumed_bytes: int = 0
    speed_bytes_per_second: int = 0
    average_speed_bytes_per_second: int = 0
    eta_seconds: int = 0
    stage_seconds: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    hint: str = ""
    error: ErrorKind = ""
    queue_position: int = 0
    as_of: str = ""
    """When the place in the queue was counted."""

    def to_json(self) -> dict[str, Any]:
        """Without what is not known."""
        return {camel(key): value for key, value in dataclasses.asdict(self).items() if value}

    def text(self) -> str | None:
        """As an annotation; None for nothing."""
        said = self.to_json()
        return json.dumps(said, separators=(",", ":"), ensure_ascii=False) if said else None

    @classmethod
    def from_json(cls, said: object) -> Transfer:
        """Whatever somebody may have written there; what is not of the right type is left out."""
        if not isinstance(said, Mapping):
            return cls()
        known: dict[str, Any] = {each.name: said.get(camel(each.name)) for each in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in known.items() if _fits(value, getattr(NOTHING, name))})


NOTHING = Transfer()


@dataclass(frozen=True)
class Reading:
    """What a running worker told last."""

    percent: float | None
    """0 to 100; None where the source does not say how large it is."""
    transfer: Transfer = NOTHING


def noted(claim: Claim | None) -> Transfer:
    """What is written on a claim."""
    return read(claim.annotations.get(names.TRANSFER)) if claim else NOTHING


def read(text: str | None) -> Transfer:
    """From an annotation."""
    try:
        return Transfer.from_json(json.loads(text)) if text else NOTHING
    except (ValueError, RecursionError):
        return NOTHING


def ended(before: Transfer, attempt: Transfer) -> Transfer:
    """After an attempt that has ended; before that, and while there is none, what was said stays but for the queue."""
    if attempt == NOTHING:
        return unqueued(before)
    return _not_back(attempt, before)


def shown(told: Transfer, before: Transfer, live: Transfer | None) -> Transfer:
    """`told`: what the claim says of the last attempt that has ended; `before`: what was shown until now; `live`: what
    a worker tells that runs.
    """
    if live is None:
        return _not_back(told, before)
    gone_on = live.source_bytes > told.source_bytes or not told.error
    trouble = NOTHING if gone_on else told
    return _not_back(
        replace(
            live,
            message=trouble.message or DOING.get(live.stage, live.stage),
            hint=trouble.hint,
            error=trouble.error,
        ),
        _not_back(told, before),
    )


def unqueued(transfer: Transfer) -> Transfer:
    if not transfer.queue_position:
        return transfer
    kept = transfer.message if transfer.error else ""
    return replace(transfer, stage="", message=kept, queue_position=0, as_of="")


def _not_back(now: Transfer, before: Transfer) -> Transfer:
    """What is known stays known, and counts do not fall, as long as it is about the same thing."""
    anew = before.stage == DONE != now.stage
    another = before.total_bytes and now.total_bytes and before.total_bytes != now.total_bytes
    if anew or another:
        return now
    return replace(
        now,
        format=now.format or before.format,
        source_bytes=max(now.source_bytes, before.source_bytes),
        total_bytes=now.total_bytes or before.total_bytes,
        written_bytes=max(now.written_bytes, before.written_bytes),
        virtual_size_bytes=now.virtual_size_bytes or before.virtual_size_bytes,
        resumed_bytes=max(now.resumed_bytes, before.resumed_bytes),
        average_speed_bytes_per_second=now.average_speed_bytes_per_second or before.average_speed_bytes_per_second,
    )


def new_error(before: Transfer, now: Transfer) -> str:
    """What went wrong, and what to do, where that was not told before; otherwise empty."""
    known = (now.error, now.message) == (before.error, before.message)
    return said(now.message, now.hint) if now.error and not known else ""


def said(message: str, hint: str) -> str:
    """Both as one text for people."""
    return f"{message.rstrip('. ')}. {hint}" if message and hint else message or hint


def speed(bytes_per_second: float) -> str:
    """For people: 12.3 MB/s; empty for none."""
    if bytes_per_second <= 0:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_per_second < 1000:
            return f"{bytes_per_second:.0f} {unit}/s" if unit == "B" else f"{bytes_per_second:.1f} {unit}/s"
        bytes_per_second /= 1000
    return f"{bytes_per_second:.1f} TB/s"


def duration(seconds: int) -> str:
    """For people: 45s, 3m20s, 2h5m; empty for none."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m"
    if minutes:
        return f"{minutes}m{rest}s"
    return f"{rest}s" if rest else ""


def _fits(value: object, example: object) -> bool:
    """Whether it is a value that the API server takes in place of the example."""
    if isinstance(value, int) and not 0 <= value < MOST:
        return False
    if isinstance(value, dict) and not all(isinstance(text, str) for text in (*value, *value.values())):
        return False
    return type(value) is type(example)
