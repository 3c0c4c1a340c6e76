"""Cron schedules: the five fields that a DataImportCron is polled by (spec 1.3)."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

_FIELDS = 5
_NICKNAMES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_ANY_TIME = datetime(2025, 1, 1, tzinfo=UTC)


def is_schedule(text: str) -> bool:
    """Whether a CronJob of Kubernetes would take it."""
    if text.strip() in _NICKNAMES:
        return True
    if len(text.split()) != _FIELDS:
        return False
    try:
        CronSim(text, _ANY_TIME)
    except CronSimError:
        return False
    return True
