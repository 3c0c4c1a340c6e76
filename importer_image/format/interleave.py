"""In which order the ranges of a raw disk are best asked for: a piece from each of several places in turn.

Files lie close together on a disk, and so do holes. Read from its beginning to its end, the source waits for the target
for seconds while there are data, and then the target for the source. From several places there is always some of both,
and both work all the time. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from importer_image.source import Range

PLACES = 4
PIECE_BYTES = 8 << 20
"""A round of all places is as much as is on its way between source and target."""


def interleaved(ranges: Sequence[Range], places: int = PLACES, piece_bytes: int = PIECE_BYTES) -> list[Range]:
    """The same bytes in pieces, each once; the end of the last range comes last."""
    pieces = [
        (at, min(piece_bytes, offset + length - at))
        for offset, length in ranges
        for at in range(offset, offset + length, piece_bytes)
    ]
    if not pieces:
        return []
    rounds = -(-len(pieces) // places)
    # The places are as far from each other, but for the first: it may have less to go.
    first = len(pieces) % rounds or rounds
    columns = [pieces[:first], *(pieces[at : at + rounds] for at in range(first, len(pieces), rounds))]
    return [piece for each in zip_longest(*columns) for piece in each if piece]
