"""Reading an image that has a map, whatever its format: each byte at most once, in the order of the file.

A format says where to begin and what a piece means: `use` turns a table into the runs and zeros that it maps, and data
into extents. Where the source can give ranges, tables are read first, a group at a time, and then exactly the data that
they point to. Where it is a pure stream, everything is read from beginning to end and tables are used as they pass:
what writes images puts each table before the data that it maps.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import Permanent
from importer_image.extent import Buffer, Extent
from importer_image.format.placement import PARKING_BYTES, Piece, Placement, Run

if TYPE_CHECKING:
    from importer_image.source import Source

DATA, PACKED = "data", "packed"
"""Kinds of runs that are content. All others are tables, which are handed out whole."""
RUNS_AT_ONCE = 64 << 10
"""Those whose places are held in memory, below 20 MiB: 4 GiB of the disk with clusters of 64 KiB."""
TABLE_BYTES_AT_ONCE = 512 << 10
"""So many bytes of tables (or one, if it is larger) are read before the data that they map: RUNS_AT_ONCE entries."""

Item = Run | Extent
"""Something to read, or zeros of the disk, which need not be."""

Use = Callable[[Piece], Iterable[Item]]
"""What a piece means. For content: extents, some of them perhaps later. Its bytes are valid until the next is used."""

Tail = Callable[[Run, bytes], Piece | None]
"""What the file need not hold: given what is missing of a run behind its end, and the part that is there of a run that
is handed out whole, the piece to go on with. None: the image is truncated."""


Found = tuple[int, int, int, str]
"""What a table says of a block: offset in the file, length, offset on the disk, kind."""
NOTHING, UNCHANGED = -1, -2
"""Instead of an offset: zeros; and, in a delta, what is on the disk that it is applied to."""


class Done(NamedTuple):
    """What an earlier attempt has done of the disk."""

    covered: Covered = UNTOUCHED
    block_bytes: int = 1
    """The unit of the map, of which the disk is a grid: a block that is not done whole comes again whole."""


NOT_BEGUN = Done()


def nothing_missing(run: Run, part: bytes) -> None:
    """The Tail of a format whose files hold all of their last block."""


def read(
    source: Source,
    first: Iterable[Item],
    use: Use,
    tail: Tail = nothing_missing,
    done: Done = NOT_BEGUN,
) -> Iterator[Extent]:
    """The whole disk, beginning with the runs `first`. Raises Permanent for a file that is too short.

    What is done need not come again: a pure stream has to bring it all the same.
    """
    if source.ranged:
        return _by_range(source, first, lambda piece: remaining(use(piece), done), tail)
    return _by_stream(source, first, use, tail)


def _by_range(source: Source, items: Iterable[Item], use: Use, tail: Tail) -> Iterator[Extent]:
    """Depth first, so that no more of the map is in memory than one group of tables and one of data."""
    content: list[Run] = []
    tables: list[Run] = []
    table_bytes = 0
    for item in items:
        if isinstance(item, Extent):
            yield item
        elif item.kind in (DATA, PACKED):
            content.append(item)
            if len(content) == RUNS_AT_ONCE:
                yield from _content(source, content, use, tail)
                content = []
        else:
            tables.append(item)
            table_bytes += item.length
            if table_bytes >= TABLE_BYTES_AT_ONCE:
                yield from _mapped_by(source, tables, use, tail)
                tables, table_bytes = [], 0
    yield from _mapped_by(source, tables, use, tail)
    yield from _content(source, content, use, tail)


def _mapped_by(source: Source, tables: Iterable[Run], use: Use, tail: Tail) -> Iterator[Extent]:
    pieces = [piece._replace(data=bytes(piece.data)) for piece in fetched(source, tables, tail)]
    if pieces:
        yield from _by_range(source, chain.from_iterable(map(use, pieces)), use, tail)


def _content(source: Source, runs: Iterable[Run], use: Use, tail: Tail) -> Iterator[Extent]:
    for piece in fetched(source, runs, tail):
        for item in use(piece):
            assert isinstance(item, Extent), "content maps nothing"
            yield item


def _by_stream(source: Source, first: Iterable[Item], use: Use, tail: Tail) -> Iterator[Extent]:
    placement = Placement(PARKING_BYTES)

    def used(pieces: Iterable[Piece]) -> Iterator[Extent]:
        for piece in pieces:
            yield from noted(use(piece))

    def noted(items: Iterable[Item]) -> Iterator[Extent]:
        for item in items:
            if isinstance(item, Extent):
                yield item
            else:
                placement.add(item)

    yield from noted(first)
    offset = 0
    for view in source.stream():
        yield from used(placement.feed(offset, view))
        offset += len(view)
    yield from used(_cut_off(placement, offset, tail))


def fetched(source: Source, runs: Iterable[Run], tail: Tail = nothing_missing) -> Iterator[Piece]:
    """All pieces of these runs, by range. Raises Permanent where the file ends before them."""
    placement = Placement()
    size_bytes = source.size_bytes or 0
    for run in runs:
        if run.offset >= size_bytes:
            raise truncated(run, size_bytes)
        placement.add(run)
    ranges = [(offset, min(length, size_bytes - offset)) for offset, length in placement.wanted()]
    for offset, view in source.read_ranges(ranges):
        yield from placement.feed(offset, view)
    yield from _cut_off(placement, size_bytes, tail)


def _cut_off(placement: Placement, size_bytes: int, tail: Tail) -> Iterator[Piece]:
    for run, part in placement.missing():
        piece = tail(run, part)
        if piece is None:
            raise truncated(run, size_bytes)
        yield piece


def remaining(items: Iterable[Item], done: Done) -> Iterable[Item]:
    """The same without what is done. Tables stay: only their format knows what they map."""
    return _remaining(items, done) if done.covered else items


def _remaining(items: Iterable[Item], done: Done) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Extent):
            if item.data is not None:
                yield item
                continue
            for start, end in done.covered.gaps(item.offset, item.offset + item.length):
                yield Extent(start, end - start, None)
        elif item.kind == DATA:
            for start, end in _blocks_of(item, done):
                yield item._replace(offset=item.offset + start - item.place, length=end - start, place=start)
        elif item.kind != PACKED or not done.covered.holds(item.place, item.place + done.block_bytes):
            yield item


def _blocks_of(run: Run, done: Done) -> list[tuple[int, int]]:
    """The parts of the run whose blocks are not done."""
    after = run.place + run.length
    left = Covered()
    for start, end in done.covered.gaps(run.place, after):
        first, last = start // done.block_bytes, -(-end // done.block_bytes)
        left.add(max(first * done.block_bytes, run.place), min(last * done.block_bytes, after))
    return left.intervals


def in_parts(offset: int, entries: int, entry_bytes: int, kind: str) -> Iterator[Run]:
    """A table as runs of RUNS_AT_ONCE entries, each with the number of its first, however large it claims to be."""
    for first in range(0, entries, RUNS_AT_ONCE):
        count = min(RUNS_AT_ONCE, entries - first)
        yield Run(offset + first * entry_bytes, count * entry_bytes, kind, first, whole=True)


def entries_of(table: Buffer, code: Literal["I", "Q"], order: Literal["big", "little"]) -> array[int]:
    """The numbers of a table, of 32 or 64 bits."""
    entries = array(code, bytes(table))
    if sys.byteorder != order:
        entries.byteswap()
    return entries


def joined(found: Iterable[Found], virtual_bytes: int) -> Iterator[Item]:
    """Runs and zeros, the last one cut where the disk ends.

    Neighbours become one, because most images are written in order: a table of 8192 entries usually becomes one run.
    """
    start, length, place = NOTHING, 0, 0
    for offset, more, guest, kind in found:
        if guest >= virtual_bytes:
            break
        if kind is PACKED:
            yield from _item(start, length, place, virtual_bytes)
            length = 0
            yield Run(offset, more, PACKED, guest, whole=True)
        elif length and offset == (start + length if start >= 0 else start):
            length += more
        else:
            yield from _item(start, length, place, virtual_bytes)
            start, length, place = offset, more, guest
    yield from _item(start, length, place, virtual_bytes)


def _item(start: int, length: int, place: int, virtual_bytes: int) -> Iterator[Item]:
    """At most one."""
    length = min(length, virtual_bytes - place)
    if length and start >= 0:
        yield Run(start, length, DATA, place)
    elif length and start == NOTHING:
        yield Extent(place, length, None)


def as_it_is(piece: Piece) -> tuple[Extent]:
    """The part of the disk that a piece of kind DATA is."""
    return (Extent(piece.place, len(piece.data), piece.data),)


def truncated(run: Run, size_bytes: int) -> Permanent:
    return Permanent(
        f"the image is truncated: it refers to the bytes at {run.offset}, but ends after {size_bytes} bytes",
        "Download or build the image again.",
    )


def corrupt(what: str) -> Permanent:
    return Permanent(f"the image is corrupt: {what}", "Check the file with qemu-img check.")
