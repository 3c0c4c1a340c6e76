"""From what is to what should be, as the merge patch that makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest JSON merge patch (RFC 7386) from `before` to `after`; empty when they are equal.

    What `after` lacks is removed; lists are given whole.
    """
    patch: dict[str, Any] = {field: None for field in before if field not in after}
    for field, value in after.items():
        known = before.get(field)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            if inner := difference(known, value):
                patch[field] = inner
        elif field not in before or known != value:
            patch[field] = value
    return patch
