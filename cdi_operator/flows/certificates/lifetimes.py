"""How long certificates are valid and when they are replaced (spec 8.4), as Go writes durations: "24h0m0s"."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)", re.ASCII)


@dataclass(frozen=True)
class Lifetime:
    duration: timedelta
    renew_before: timedelta
    """Before its end."""

    @property
    def note(self) -> str:
        """For the annotation certConfig, as the reference writes it."""
        refresh = self.duration - self.renew_before
        return json.dumps({"lifetime": go(self.duration), "refresh": go(refresh)}, separators=(",", ":"))


CA = Lifetime(timedelta(hours=48), timedelta(hours=24))
SERVER = Lifetime(timedelta(hours=24), timedelta(hours=12))


def lifetime(given: Mapping[str, Any], default: Lifetime) -> Lifetime:
    """From a member of `spec.certConfig` of a CDI object; what cannot be a lifetime is not heeded."""
    duration = parse(given.get("duration")) or default.duration
    renew_before = parse(given.get("renewBefore")) or min(default.renew_before, duration / 2)
    return Lifetime(duration, renew_before) if renew_before < duration else default


def parse(text: str | None) -> timedelta | None:
    """None for what is no duration, or none that lasts."""
    if not text or not re.fullmatch(rf"(?:{_PART.pattern})+", text, re.ASCII):
        return None
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return timedelta(seconds=seconds) if seconds > 0 else None


def go(duration: timedelta) -> str:
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}h{minutes}m{seconds:g}s" if hours else f"{minutes}m{seconds:g}s" if minutes else f"{seconds:g}s"
