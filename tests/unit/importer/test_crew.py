"""How many connections there are in the end, on servers of many kinds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from importer_image.source.crew import REST_S, Crew

MB = 10**6
RANGE_BYTES = MB


def after(
    crew: Crew, seconds: float, speed_of: Callable[[int], float], waiting: float = 1.0, start: float = 0.0
) -> int:
    """What the crew is after so many seconds in which every connection fetches ranges of 1 MB, one after another.

    `waiting`: the part of the time in which whoever takes the bytes waits for them.
    """
    crew.begin()
    now = start
    while now < start + seconds:
        size = crew.size
        now += size * RANGE_BYTES / speed_of(size)
        for place in range(size):
            crew.finished(place, RANGE_BYTES, waiting * now, now)
    return crew.size


@pytest.mark.parametrize(
    ("first", "speed_of", "waiting", "last"),
    [
        # each connection gets 100 MB/s, up to what the network gives
        (4, lambda size: size * 100 * MB, 1.0, 24),
        (4, lambda size: min(size, 9) * 100 * MB, 1.0, 8),
        (2, lambda size: size * 100 * MB, 1.0, 12),
        # as fast as can be with a few
        (4, lambda size: 900 * MB, 1.0, 4),
        # more is worse
        (4, lambda size: 900 * MB / size, 1.0, 4),
        # the disk is what is slow now and then
        (4, lambda size: size * 100 * MB, 0.3, 24),
        # the disk is what is slow
        (4, lambda size: size * 100 * MB, 0.05, 4),
        # whoever asks for one means it
        (1, lambda size: size * 100 * MB, 1.0, 1),
    ],
    ids=["capped", "network full", "two at first", "fast", "crowded", "slow disk at times", "slow disk", "only one"],
)
def test_in_the_end(first: int, speed_of: Callable[[int], float], waiting: float, last: int) -> None:
    assert after(Crew(first), 0.95, speed_of, waiting) == last


def test_a_bad_moment_is_forgotten() -> None:
    crew = Crew(4)
    assert after(crew, REST_S / 2, lambda size: 400 * MB) == 4
    assert after(crew, 3 * REST_S, lambda size: size * 100 * MB, start=REST_S / 2) == 24


def test_no_more_are_to_be_had() -> None:
    crew = Crew(4)
    while crew.size == 4:
        after(crew, 0.15, lambda size: size * 100 * MB)
    crew.left()
    assert after(crew, 5, lambda size: size * 100 * MB, start=10) == 4
