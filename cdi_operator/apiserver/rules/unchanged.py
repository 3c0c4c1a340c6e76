"""Whether two specs say the same, however they were written down.

Clients written in Go read an object into their types and write it back: quantities come out in their canonical form,
structs that were not there as {}, empty texts and false not at all. Such an update changes nothing (spec 7.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.storage.quantity import QuantityError, parse_exact

_STRUCTS = frozenset({"resources", "requests", "limits", "matchLabels"})
"""What an empty object says nothing in. Everywhere else its being there counts: `blank: {}`."""
_POINTERS = frozenset({"storageClassName", "preallocation"})
"""Fields in which the empty text or false is a word of its own."""
_AMOUNTS = frozenset({"requests", "limits"})
_STAGES = ("checkpoints", "finalCheckpoint")


def same_spec(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(_canonical(one) == _canonical(other))


def same_but_for_stages(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """All that may change in a warm import is which checkpoints it has."""
    source = new.get("source") or {}
    in_stages = bool(new.get("checkpoints")) and ("vddk" in source or "imageio" in source)
    return in_stages and same_spec(_without_stages(old), _without_stages(new))


def _without_stages(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in spec.items() if field not in _STAGES}


def _canonical(value: Any, field: str = "") -> Any:
    if isinstance(value, Mapping):
        amounts = field in _AMOUNTS
        said = {key: _amount(each) if amounts else _canonical(each, key) for key, each in value.items()}
        return {key: each for key, each in said.items() if not _says_nothing(key, each)}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    return value


def _says_nothing(field: str, value: Any) -> bool:
    if field in _POINTERS:
        return value is None
    if value == {}:
        return field in _STRUCTS
    return value is None or value is False or value in ("", [])


def _amount(given: Any) -> Any:
    try:
        return parse_exact(given)
    except QuantityError:
        return given
