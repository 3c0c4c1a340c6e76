"""When the disk is asked to make stable what was written: beside the transfer, also where nothing is noted of it."""

import errno
from threading import Event, Thread

import pytest

from importer_image.attempt import EVERY_BYTES, HOLES_BYTES, Attempt, Record
from importer_image.errors import Permanent
from importer_image.extent import Extent
from importer_image.progress import Progress
from importer_image.target.journal import Journal

PIECE = bytes(1 << 20)
PIECES = EVERY_BYTES // len(PIECE)


class Disk:
    """A target that notes nothing, and whose disk is as quick as `goes_on` lets it be."""

    path, journal, withheld_bytes, preallocated, available_bytes, changes = "disk", None, 0, False, 1 << 40, 0

    def __init__(self, failure=None):
        self.goes_on, self.begun, self.settled, self.failure = Event(), Event(), 0, failure

    def begin(self, virtual_bytes, kept):
        return kept

    def imprint(self):
        return "7"

    def settle(self):
        self.begun.set()
        assert self.goes_on.wait(10)
        self.settled += 1
        if self.failure:
            raise self.failure


def under_way(disk):
    attempt = Attempt(disk, {}, Progress())
    attempt.begin(1 << 40)
    return attempt


def written(disk, attempt, pieces, data=PIECE, first=0):
    for number in range(first, first + pieces):
        disk.changes += data is not None
        attempt.wrote(Extent(number * len(PIECE), len(PIECE), data))


@pytest.mark.parametrize(
    ("pieces", "data", "settled"), [(PIECES - 1, PIECE, 0), (PIECES, PIECE, 1), (3 * PIECES, None, 0)]
)
def test_the_disk_works_meanwhile(pieces, data, settled):
    disk = Disk()
    disk.goes_on.set()
    attempt = under_way(disk)
    written(disk, attempt, pieces, data)
    attempt.wait()
    assert disk.settled == settled


def test_a_slow_disk_holds_nobody_up():
    disk = Disk()
    attempt = under_way(disk)
    written(disk, attempt, 5 * PIECES)
    assert disk.begun.wait(10)
    assert disk.settled == 0
    disk.goes_on.set()
    attempt.wait()
    assert disk.settled == 1


def test_what_cannot_be_made_stable_ends_the_import():
    disk = Disk(Permanent("no space left on device"))
    disk.goes_on.set()
    attempt = under_way(disk)
    written(disk, attempt, PIECES)
    with pytest.raises(Permanent, match="no space left"):
        attempt.wait()


def test_zeros_that_change_nothing_are_noted_while_the_disk_works(tmp_path):
    disk = Disk()
    disk.goes_on.set()
    disk.journal = Journal(str(tmp_path), "journal")
    attempt = Attempt(disk, {"source": "a file"}, Progress())
    attempt.begin(1 << 40)
    written(disk, attempt, PIECES)
    attempt.wait()
    disk.goes_on.clear()
    written(disk, attempt, PIECES, first=PIECES)
    zeros = EVERY_BYTES * 3
    for offset in range(zeros, zeros + HOLES_BYTES, len(PIECE)):
        attempt.wrote(Extent(offset, len(PIECE), PIECE))
    assert noted(disk) == (0, EVERY_BYTES, zeros, zeros + HOLES_BYTES)
    disk.goes_on.set()
    attempt.wait()
    assert noted(disk) == (0, 2 * EVERY_BYTES, zeros, zeros + HOLES_BYTES)


def noted(disk):
    return Record.from_text(disk.journal.read(), 1 << 40).covered.bounds


class Full(Journal):
    """On a disk that is full in the middle of a line, which somebody wants to be behind."""

    def __init__(self, *args):
        super().__init__(*args)
        self.begun, self.goes_on = Event(), Event()

    def append(self, text):
        if self.begun.is_set() or "version" in text:
            super().append(text)
            return
        self.begun.set()
        assert self.goes_on.wait(10)
        super().append(text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_no_line_goes_on_where_another_has_broken_off(tmp_path):
    disk = Disk()
    disk.goes_on.set()
    disk.journal = Full(str(tmp_path), "journal")
    attempt = Attempt(disk, {"source": "a file"}, Progress())
    attempt.begin(1 << 40)
    written(disk, attempt, PIECES)
    attempt.wait()
    written(disk, attempt, PIECES, first=3 * PIECES)
    assert disk.journal.begun.wait(10)
    zeros = Extent(9 * EVERY_BYTES, HOLES_BYTES, bytes(HOLES_BYTES))
    another = Thread(target=attempt.wrote, args=(zeros,))
    another.start()
    disk.journal.goes_on.set()
    another.join()
    attempt.wait()
    assert noted(disk) == (0, EVERY_BYTES)
    assert not disk.journal.read().endswith("\n")


def test_no_line_goes_into_what_lies_in_the_place_of_the_journal(tmp_path):
    journal, another = Journal(str(tmp_path), "journal"), tmp_path / "another"
    journal.replace("a\n")
    journal.append("b\n")
    assert journal.read() == "a\nb\n"
    another.write_text("precious")
    (tmp_path / "journal").unlink()
    (tmp_path / "journal").hardlink_to(another)
    journal.append("c\n")
    journal.close()
    assert another.read_text() == "precious"
