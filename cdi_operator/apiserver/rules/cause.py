"""Why an object is refused, in the words that clients read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cause:
    """One entry of `details.causes` in the API server's answer."""

    message: str
    field: str = ""
    """Path of the field, as the reference spells it: with its Go names, not those of the JSON."""
    reason: Literal["FieldValueInvalid", "FieldValueDuplicate"] = "FieldValueInvalid"


Causes = Iterator[Cause]


def too_long(name: str, limit: int, field: str) -> Causes:
    if len(name) > limit:
        yield Cause(f"Name cannot be longer than {limit} characters", field)


def immutable(kind: str) -> Cause:
    return Cause(f"Cannot update {kind} Spec", f"{kind}.Spec", "FieldValueDuplicate")
