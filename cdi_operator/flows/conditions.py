"""Conditions and their times, the same for every kind that has them (spec 2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cdi_operator.flows.seen import timestamp


@dataclass(frozen=True)
class Condition:
    type: str
    status: str
    reason: str = ""
    message: str = ""


def stamped(now: datetime, wanted: Iterable[Condition], before: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The conditions with their times: of the last change of status, and of the last change of the words."""
    known = {old["type"]: old for old in before}
    return [_stamped(timestamp(now), condition, known.get(condition.type)) for condition in wanted]


def _stamped(now: str, condition: Condition, old: Mapping[str, str] | None) -> dict[str, str]:
    said = {"type": condition.type, "status": condition.status}
    words = {"reason": condition.reason, "message": condition.message}
    same_words = old is not None and all(old.get(key, "") == value for key, value in words.items())
    same_status = old is not None and old.get("status") == condition.status
    return {
        **said,
        **{key: value for key, value in words.items() if value},
        "lastHeartbeatTime": old.get("lastHeartbeatTime", now) if old and same_words and same_status else now,
        "lastTransitionTime": old.get("lastTransitionTime", now) if old and same_status else now,
    }
