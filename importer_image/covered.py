"""Which parts of a disk are done: the value that a restarted import goes on from. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class Covered:
    """Disjoint intervals of bytes, ascending; neighbours are one."""

    def __init__(self, bounds: Iterable[int] = ()) -> None:
        """`bounds`: first byte and end of each interval in turn, strictly ascending. Raises ValueError otherwise."""
        self._bounds = list(bounds)
        pairs = zip(self._bounds, self._bounds[1:], strict=False)
        if len(self._bounds) % 2 or any(end <= start for start, end in pairs):
            raise ValueError("not the bounds of disjoint ascending intervals")

    @property
    def bounds(self) -> tuple[int, ...]:
        return tuple(self._bounds)

    @property
    def end(self) -> int:
        """Of the last interval; 0 when there is none."""
        return self._bounds[-1] if self._bounds else 0

    @property
    def intervals(self) -> list[tuple[int, int]]:
        return list(zip(self._bounds[::2], self._bounds[1::2], strict=True))

    def __bool__(self) -> bool:
        return bool(self._bounds)

    def add(self, start: int, end: int) -> None:
        if start < end:
            first, after = bisect_left(self._bounds, start), bisect_right(self._bounds, end)
            # An even number of bounds before a place means that it lies outside of every interval.
            self._bounds[first:after] = [start] * (first % 2 == 0) + [end] * (after % 2 == 0)

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """What is not covered between these: intervals `(first byte, end)`, ascending."""
        if start >= end:
            return []
        first, after = bisect_right(self._bounds, start), bisect_left(self._bounds, end)
        edges = [start] * (first % 2 == 0) + self._bounds[first:after] + [end] * (after % 2 == 0)
        return list(zip(edges[::2], edges[1::2], strict=True))

    def holds(self, start: int, end: int) -> bool:
        """Whether all of it is covered."""
        return not self.gaps(start, end)

    def longest(self, count: int) -> Covered:
        """The same, without the shortest intervals where there are more than so many."""
        if len(self._bounds) <= 2 * count:
            return Covered(self._bounds)
        kept = sorted(sorted(self.intervals, key=lambda pair: pair[0] - pair[1])[:count])
        return Covered(bound for pair in kept for bound in pair)


UNTOUCHED = Covered()
"""Not to be added to."""
