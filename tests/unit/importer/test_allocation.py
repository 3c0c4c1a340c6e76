"""What an imageio daemon says is allocated, and what is asked for because of it."""

from __future__ import annotations

import json

import pytest

from importer_image.errors import Transient
from importer_image.source.imageio.server import allocation_of
from tests.images import KIB, MIB

DATA, ZERO = False, True


def said(*extents):
    """Extents `(length, zero)` one after another, as the daemon writes them."""
    starts = [sum(length for length, _ in extents[:index]) for index in range(len(extents))]
    found = [
        {"start": start, "length": length, "zero": zero, "hole": zero}
        for start, (length, zero) in zip(starts, extents, strict=True)
    ]
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("extents", "data", "zeros"),
    [
        # said                                           fetched                          made
        ([(MIB, DATA)],                                  [(0, MIB)],                      []),
        ([(MIB, ZERO)],                                  [],                              [(0, MIB)]),
        ([(MIB, ZERO), (MIB, ZERO)],                     [],                              [(0, 2 * MIB)]),
        ([(MIB, DATA), (MIB, DATA)],                     [(0, 2 * MIB)],                  []),
        ([(MIB, DATA), (MIB, ZERO)],                     [(0, MIB)],                      [(MIB, MIB)]),
        ([(MIB, ZERO), (MIB, DATA), (MIB, ZERO)],        [(MIB, MIB)],                    [(0, MIB), (2 * MIB, MIB)]),
        # A small gap costs less than another request.
        ([(MIB, DATA), (64 * KIB, ZERO), (MIB, DATA)],   [(0, 2 * MIB + 64 * KIB)],       []),
        ([(MIB, DATA), (65 * KIB, ZERO), (MIB, DATA)],   [(0, MIB), (MIB + 65 * KIB, MIB)], [(MIB, 65 * KIB)]),
        ([(KIB, ZERO), (MIB, DATA)],                     [(KIB, MIB)],                    [(0, KIB)]),
    ],
)  # fmt: skip
def test_only_data_is_asked_for(extents, data, zeros):
    found = allocation_of(said(*extents), sum(length for length, _ in extents))
    assert (found.data, found.zeros) == (data, zeros)
    assert found.data_bytes == sum(length for _, length in data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"<html>", "does not say what is allocated"),
        (b"{}", "does not say what is allocated"),
        (b"[1]", "does not say what is allocated"),
        (b'[{"start": 0, "length": 512}]', "does not say what is allocated"),
        (b'[{"start": 512, "length": 512, "zero": false}]', "an extent at 512 of 512 bytes, after 0"),
        (b'[{"start": 0, "length": 0, "zero": false}]', "an extent at 0 of 0 bytes"),
        (said((512, DATA)), "of 512 bytes, but the disk has 1024"),
        (said((2048, ZERO)), "of 2048 bytes, but the disk has 1024"),
    ],
)
def test_what_makes_no_sense(text, words):
    with pytest.raises(Transient) as failure:
        allocation_of(text, 1024)
    assert words in failure.value.text
