"""From what is to what should be, as the merge patch that makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changes(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `wanted` that are not so yet, as a merge patch. What it does not name may be as it is.

    None: there should be none.
    """
    return {key: value for key, value in wanted.items() if before.get(key) != value}


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
