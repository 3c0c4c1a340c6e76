"""Kubernetes quantities ("10Gi", "1.5G", "100m") as exact numbers.

Sizes decide whether an image fits, so they are computed with integers and fractions: a float is off by bytes from 8 PiB
on, and by a whole rounding step much earlier.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

_PATTERN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("", "k", "M", "G", "T", "P", "E")
_FACTORS = {
    **{suffix: Fraction(1024**power) for power, suffix in enumerate(_BINARY)},
    **{suffix: Fraction(1000**power) for power, suffix in enumerate(_DECIMAL)},
    "m": Fraction(1, 10**3),
    "u": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
}

_LARGEST = 2**63 - 1
"""Larger values are capped, as Kubernetes does."""

_MAX_EXPONENT = 30
"""Beyond `_LARGEST`, and small enough that 10**exponent costs nothing."""


class QuantityError(ValueError):
    """Text that is no quantity. The message is the API server's own."""

    def __init__(self, text: object) -> None:
        super().__init__(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            f", and {text!r} does not"
        )


def parse_exact(text: str | int) -> Fraction:
    """The exact value of a quantity; `QuantityError` when it is none."""
    if isinstance(text, int) and not isinstance(text, bool):
        return Fraction(text)
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise QuantityError(text)
    number, suffix = Fraction(match[1]), match[2] or ""
    if suffix in _FACTORS:
        return number * _FACTORS[suffix]
    exponent = max(-_MAX_EXPONENT, min(int(suffix[1:]), _MAX_EXPONENT))
    return number * Fraction(10) ** exponent


def parse_quantity(text: str | int) -> int:
    """The whole number of a quantity (bytes, for a size); fractions are rounded away from zero, as Kubernetes does."""
    exact = parse_exact(text)
    return min(ceil(abs(exact)), _LARGEST) * (1 if exact >= 0 else -1)


def format_decimal(value: int) -> str:
    """The canonical decimal form: 1000000000 is "1G", 1138166334 stays as it is."""
    return _canonical(value, 1000, _DECIMAL)


def format_binary(value: int) -> str:
    """The canonical binary form: 1073741824 is "1Gi", 1000000000 stays as it is."""
    return _canonical(value, 1024, _BINARY)


def min_quantity(a: str, b: str) -> str:
    """The smaller of two quantities, in the form it was given in."""
    return a if parse_exact(a) <= parse_exact(b) else b


def max_quantity(a: str, b: str) -> str:
    """The larger of two quantities, in the form it was given in; the first when they are equal."""
    return b if parse_exact(b) > parse_exact(a) else a


def _canonical(value: int, step: int, suffixes: tuple[str, ...]) -> str:
    power = 0
    while value and value % step == 0 and power < len(suffixes) - 1:
        value, power = value // step, power + 1
    return f"{value}{suffixes[power]}"
