"""How many connections are worth having. Pure: told what has been fetched and when, says how many there should be.

Many servers and object stores give each connection only so much, often 50 to 100 MB/s. Others are as fast as they can
be with one, and some do not like many. So it begins with a few, tries twice as many for a moment while whoever takes
the bytes has to wait for them, and keeps them only where that pays.
"""

from __future__ import annotations

MOST_TIMES = 6
"""So many times the connections that were asked for, where these are more than one."""
WINDOW_S = 0.1
"""Long enough to compare two speeds, short enough to be at 24 connections before a second has passed."""
WAITING = 0.1
"""Bytes are waited for when it is so much of the time."""
GAIN = 1.2
"""What twice as many have to be faster by. A disk or a processor that is full shows 1.0, a cap of each 2.0."""
REST_S = 1.0
"""Until it is tried again, twice as long each time: a moment may have been a bad one."""


class Crew:
    def __init__(self, size: int) -> None:
        self.size = self.least = size
        self.most = size * MOST_TIMES if size > 1 else size
        self._before = size
        self._least_speed = 0.0
        self._arrived: set[int] = set()
        self._fetched_bytes = 0
        self._since: tuple[float, int, float] | None = None
        self._rest_s = REST_S
        self._rest_until = 0.0

    def begin(self) -> None:
        """There is work again, after a pause."""
        self._since = None

    def finished(self, place: int, length: int, waited_s: float, now: float) -> None:
        """The one in this place has fetched a range. `waited_s`: how long whoever takes the bytes has waited in all.

        Speed is measured only when all of them have fetched something, so however far away the server is.
        """
        self._fetched_bytes += length
        self._arrived.add(place)
        if len(self._arrived) < self.size or now < self._rest_until:
            return
        if self._since is None:
            self._since = now, self._fetched_bytes, waited_s
            return
        began, fetched_bytes, waited_before_s = self._since
        took_s = now - began
        if took_s >= WINDOW_S:
            self._since = None
            awaited = waited_s - waited_before_s >= WAITING * took_s
            self._judge((self._fetched_bytes - fetched_bytes) / took_s, awaited, now)

    def left(self) -> None:
        """One could not come: there are no more to be had."""
        self.most = self.size = self._before

    def _judge(self, speed: float, awaited: bool, now: float) -> None:
        paid, self._least_speed = speed >= self._least_speed, 0.0
        if not paid:
            self.size = self._before
            self._rest_until = now + self._rest_s
            self._rest_s *= 2
        elif awaited and self.size < self.most:
            self._before, self._least_speed = self.size, speed * GAIN
            self.size = min(2 * self.size, self.most)
