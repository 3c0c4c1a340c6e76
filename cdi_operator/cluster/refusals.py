"""Objects that the API server would not create: what it said, and when to try again.

"An error is a plan too": a quota that is used up, a policy, a value that the server does not take are part of what a
flow observes (`View.refusal`), so that it can tell the user. The flow goes on asking for the object; trying is due
again after a while that doubles, and at once when it asks for something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cdi_operator.cluster.errors import ApiError
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.seen import Key
from cdi_operator.flows.view import Refusal

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
"""A quota is raised by a person; a minute later the volume is there without touching the DataVolume."""


@dataclass(frozen=True)
class _Entry:
    refusal: Refusal
    wanted: Object
    tries: int
    due: datetime


class Refusals:
    def __init__(self) -> None:
        self._entries: dict[tuple[str, Key], _Entry] = {}

    def get(self, kind: str, name: str, namespace: str = "") -> Refusal | None:
        entry = self._entries.get((kind, (namespace, name)))
        return entry.refusal if entry else None

    def wait_s(self, wanted: Object, now: datetime) -> float:
        """How long to leave the API server alone with this object; 0 when it may be asked."""
        entry = self._entries.get(_place(wanted))
        if entry is None or entry.wanted != wanted:
            return 0.0
        wait_s = (entry.due - now).total_seconds()
        # More than the longest: the clock was set back meanwhile.
        return wait_s if 0 < wait_s <= LONGEST_RETRY_S else 0.0

    def refused(self, wanted: Object, error: ApiError, now: datetime) -> bool:
        """Take note. True when that is news: a plan made without knowing it is out of date."""
        place = _place(wanted)
        known = self._entries.get(place)
        tries = known.tries + 1 if known and known.wanted == wanted else 1
        wait = timedelta(seconds=min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(tries - 1, 32)))
        refusal = Refusal(Ref.of(wanted), error.reason, error.message, now)
        self._drop_abandoned(now)
        self._entries[place] = _Entry(refusal, wanted, tries, now + wait)
        return known is None or (known.refusal.reason, known.refusal.message) != (error.reason, error.message)

    def exists(self, kind: str, place: Key) -> None:
        """The object is there: nothing is refused any more."""
        self._entries.pop((kind, place), None)

    def _drop_abandoned(self, now: datetime) -> None:
        """Nobody has asked for these again although they were due: they are not wanted any more."""
        patience = timedelta(seconds=LONGEST_RETRY_S)
        self._entries = {place: entry for place, entry in self._entries.items() if now - entry.due < patience}


def _place(obj: Object) -> tuple[str, Key]:
    return obj["kind"], (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
