"""How large a claim must be for an image, and how much of a claim an image may use.

A filesystem eats a share of its volume (the overhead, "0.06" unless configured), so the request of a rendered claim is
inflated and the space that the importer may fill is deflated (spec 4.7). An overhead is always the text that the API
holds, so that the arithmetic is exact; a block volume has overhead "0".
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from cdi_operator.storage.quantity import QuantityError, max_quantity

MIB = 1 << 20
"""Images are cut and grown in whole MiB."""

DEFAULT_OVERHEAD = "0.06"
NO_OVERHEAD = "0"
"""Of a block volume."""


def round_down(value: int, multiple: int) -> int:
    return value // multiple * multiple


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def usable_bytes(size_bytes: int, overhead: str) -> int:
    """What an image may use of a volume of `size_bytes`."""
    return round_down(ceil(size_bytes / (1 + Fraction(overhead))), MIB)


def required_bytes(size_bytes: int, overhead: str) -> int:
    """The request that makes room for an image of `size_bytes`. Not rounded after the inflation."""
    return ceil(round_up(size_bytes, MIB) * (1 + Fraction(overhead)))


def scratch_bytes(target_bytes: int, target_overhead: str, scratch_overhead: str) -> int:
    """The request of a scratch claim that holds what the target holds, in whole MiB (spec 4.10)."""
    return round_up(required_bytes(usable_bytes(target_bytes, target_overhead), scratch_overhead), MIB)


def at_least(request: str, minimum: str | None) -> str:
    """The request, raised to the smallest volume that the storage has; a minimum that is no quantity is ignored."""
    try:
        return max_quantity(request, minimum) if minimum else request
    except QuantityError:
        return request
