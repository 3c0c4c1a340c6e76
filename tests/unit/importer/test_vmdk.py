"""VMDK however it is cut, whatever is broken: every byte of the disk comes exactly once, or one line says why not."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer_image.covered import Covered
from importer_image.errors import ImportFailure, Permanent
from importer_image.format.vmdk import header as headers
from importer_image.format.vmdk.decoder import open_vmdk
from importer_image.format.vmdk.descriptor import parse
from importer_image.format.vmdk.ledger import Ledger
from importer_image.format.vmdk.stream import Cursor, Cut
from tests.unit.importer.sliced import Sliced, contents
from tests.vmdk import SECTOR, Export, Head, Sparse

on_any_machine = settings(deadline=None)


def decoded(content: bytes, sizes: Sequence[int] = (1 << 20,), ranged: bool = False) -> bytes:
    """The disk; its extents cover it once."""
    source = Sliced(content, sizes, ranged)
    image = open_vmdk(source, source.peek(4096))
    if image.virtual_bytes > 64 << 20:
        raise Permanent("larger than the target")
    return contents(image)


def decoded_or_refused(content: bytes, ranged: bool = False) -> bytes | None:
    """Whatever else is raised is a bug."""
    with suppress(ImportFailure):
        return decoded(content, ranged=ranged)
    return None


def pieces(seed: int) -> bytes:
    """A disk that ends within a grain, of small grains and tables so that there are many."""
    chance = Random(seed)
    found = b"".join(chance.choice((bytes(4096), chance.randbytes(4096), b"text" * 1024)) for _ in range(90))
    return found + b"the end" + bytes(505)


DISK = pieces(1)
HEAD = Head(capacity=len(DISK) // SECTOR, grain=8, table_entries=16)
EXPORT = Export(DISK, HEAD)
PARTS = [part.data for part in EXPORT.parts()]
CONTENT = b"".join(PARTS)
CONTENTS = {"export": CONTENT, "sparse": Sparse().content()}
sizes = st.lists(st.one_of(st.integers(1, 600), st.integers(600, 100_000)), min_size=1, max_size=9).filter(
    lambda found: sum(found) > 300 * len(found)
)


@settings(deadline=None, max_examples=30)
@given(sizes, st.booleans(), st.booleans())
def test_however_it_is_cut(found: list[int], backwards: bool, tables_last: bool) -> None:
    content = Export(DISK, HEAD, backwards=backwards, tables_last=tables_last).content()
    assert decoded(content, found) == DISK


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([*CONTENTS]), st.randoms(use_true_random=False), st.booleans())
def test_whatever_is_broken(name: str, chance: Random, ranged: bool) -> None:
    """Numbers that were changed anywhere end in a failure that is told, or change only what they should."""
    broken = bytearray(CONTENTS[name])
    for _ in range(chance.randrange(1, 4)):
        place = chance.choice((chance.randrange(79), chance.randrange(23) * SECTOR, chance.randrange(len(broken) - 8)))
        width = chance.choice((1, 2, 4, 8))
        number = chance.choice((0, 1, chance.getrandbits(8 * width), (1 << 8 * width) - 1))
        broken[place : place + width] = number.to_bytes(width, "little")
    disk = decoded_or_refused(bytes(broken), ranged=ranged)
    if name == "export" and disk is not None and len(disk) == len(DISK):
        assert disk == DISK, "grains have a checksum, and tables guard their places"


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_whatever_is_lost_or_moved(chance: Random) -> None:
    """Whole parts of a stream: nothing but the right disk comes out of it."""
    parts = list(PARTS)
    first, second = chance.randrange(2, len(parts)), chance.randrange(2, len(parts))
    match chance.randrange(3):
        case 0:
            del parts[first]
        case 1:
            parts.insert(second, parts[first])
        case _:
            parts[first], parts[second] = parts[second], parts[first]
    assert decoded_or_refused(b"".join(parts)) in (DISK, None)


@settings(deadline=None, max_examples=30)
@given(st.booleans(), st.booleans(), st.sets(st.integers(0, len(DISK) // 4096)), st.integers(0, 4095))
def test_a_stream_is_gone_on_with_by_its_tables(
    backwards: bool, tables_last: bool, missing: set[int], cut: int
) -> None:
    """What is not covered comes, and nothing wrong of what is."""
    covered = Covered()
    for grain in set(range(len(DISK) // 4096 + 1)) - missing:
        covered.add(grain * 4096, min((grain + 1) * 4096 - cut, len(DISK)))
    source = Sliced(Export(DISK, HEAD, backwards=backwards, tables_last=tables_last).content(), (1 << 20,), True)
    image = open_vmdk(source, source.peek(4096))
    disk = bytearray(DISK)
    for start, end in covered.gaps(0, len(DISK)):
        disk[start:end] = b"?" * (end - start)
    for offset, length, data in image.rest(covered):
        disk[offset : offset + length] = bytes(length) if data is None else data
    assert bytes(disk) == DISK


@settings(deadline=None, max_examples=30)
@given(st.randoms(use_true_random=False))
def test_whatever_is_broken_in_the_tables(chance: Random) -> None:
    """A grain says itself where it belongs: another one does not come in its place."""
    broken = bytearray(CONTENT)
    place = chance.randrange(len(broken) - 8)
    broken[place : place + 4] = chance.choice((bytes(4), chance.randbytes(4)))
    source = Sliced(bytes(broken), (1 << 20,), True)
    with suppress(ImportFailure):
        image = open_vmdk(source, source.peek(4096))
        for offset, length, data in image.rest(Covered((0, 1))) if image.virtual_bytes == len(DISK) else ():
            assert data is None or bytes(data) == DISK[offset : offset + length]


HEADER = headers.parse(Head(grain=8, table_entries=4, capacity=8 * 10).packed())


def tables(entries: Sequence[int]) -> array[int]:
    return array("I", entries)


def settled(carried: Sequence[tuple[int, int]], directory: Sequence[int], **named: Sequence[int]) -> None:
    ledger = Ledger(HEADER)
    for number, sector in carried:
        ledger.grain(number, sector)
    for name, entries in named.items():
        ledger.table(int(name[2:]), tables(entries))
    ledger.settle(tables(directory))


def test_ledger_settles() -> None:
    settled([(1, 100), (9, 140), (0, 120)], [50, 0, 60], at50=[120, 100, 0, 0], at60=[0, 140, 0, 0])


@pytest.mark.parametrize(
    ("carried", "directory", "first", "words"),
    [
        ([(1, 100)], [50, 0, 0], [0, 0, 100, 0], "do not name"),
        ([(1, 100)], [0, 50, 0], [0, 100, 0, 0], "do not name"),
        ([(1, 100)], [50, 0, 0], [0, 101, 0, 0], "do not name"),
        ([(1, 100), (2, 110)], [50, 0, 0], [0, 110, 100, 0], "do not name"),
        ([(1, 100)], [0, 0, 0], [0, 100, 0, 0], "do not name"),
        ([(1, 100)], [50, 50, 0], [0, 100, 0, 0], "1 of the 2 parts that its tables name are missing"),
        ([(1, 100)], [50, 51, 0], [0, 100, 0, 0], "the grain table at sector 51 is missing"),
        ([(1, 100), (1, 110)], [50, 0, 0], [0, 100, 0, 0], "the grain at 4096 comes twice"),
        ([(10, 100)], [50, 0, 0], [0, 100, 0, 0], "a grain for the sector 80 lies behind"),
    ],
)
def test_ledger_does_not_settle(
    carried: list[tuple[int, int]], directory: list[int], first: list[int], words: str
) -> None:
    with pytest.raises(Permanent, match=words):
        settled(carried, directory, at50=first)


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 9)))
def test_gaps(carried: set[int]) -> None:
    ledger = Ledger(HEADER)
    for number in carried:
        ledger.grain(number, 100)
    gaps = list(ledger.gaps())
    assert {number for first, end in gaps for number in range(first, end)} == set(range(10)) - carried
    assert all(end < after for (_, end), (after, _) in pairwise(gaps))


@on_any_machine
@given(st.lists(st.binary(max_size=9), max_size=9), st.lists(st.integers(0, 12), max_size=9))
def test_cursor(views: list[bytes], lengths: list[int]) -> None:
    content = b"".join(views)
    cursor = Cursor(memoryview(view) for view in views)
    for length in lengths:
        start = cursor.position
        if start + length > len(content):
            with pytest.raises(Cut):
                cursor.read(length)
            assert cursor.position == len(content)
            return
        if length % 2:
            cursor.skip_to(start + length)
        else:
            assert cursor.read(length) == content[start : start + length]
        assert cursor.position == start + length
    assert cursor.at_end() == (cursor.position == len(content))
    cursor.drain()
    assert cursor.position == len(content)


@pytest.mark.parametrize(
    ("text", "settings_of", "extents"),
    [
        (b'createType="vmfs"\r\nCID=1\r\n', {"createtype": "vmfs", "cid": "1"}, ()),
        (b' parentCID = 12AB \n# a=b\n\0c="d"', {"parentcid": "12AB"}, ()),
        (b'RW 1 FLAT "a-flat.vmdk" 0\nRDONLY 2 ZERO\n', {}, (("FLAT", "a-flat.vmdk"), ("ZERO", ""))),
        (b'rw="x"\nRW x FLAT "y"', {"rw": "x"}, ()),
        ('RW 1 vmfs "ä\xff\x1b"'.encode(), {}, (("VMFS", "äÿ?"),)),
        (b'RW 1 SPARSE "\xff"', {}, (("SPARSE", "\\xff"),)),
        (b'a="' + b"x" * 300, {"a": "x" * 255}, ()),
        (b"", {}, ()),
    ],
)
def test_descriptions(text: bytes, settings_of: dict[str, str], extents: tuple[tuple[str, str], ...]) -> None:
    found = parse(text)
    assert (found.settings, found.extents) == (settings_of, extents)
