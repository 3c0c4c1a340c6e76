"""How much one request to a web server asks for."""

from __future__ import annotations

import math

import pytest

from importer_image.source.belt import WINDOW_SLICES
from importer_image.source.http import NEAR_S, most_slices


@pytest.mark.parametrize(
    ("connections", "near", "far"),
    [
        (1, 16, 32),
        (4, 4, 8),
        (8, 2, 4),
        (24, 1, 1),
        # more than there are slices: each gets one, and waits for its turn
        (48, 1, 1),
    ],
)
def test_most_slices(connections: int, near: int, far: int) -> None:
    assert most_slices(connections, NEAR_S / 2) == near
    assert [most_slices(connections, latency_s) for latency_s in (NEAR_S, math.inf)] == [far, far]
    assert connections > WINDOW_SLICES or connections * far <= WINDOW_SLICES
