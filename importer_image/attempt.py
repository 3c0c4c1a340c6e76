"""How far an import is, written down so that the next attempt goes on from there instead of starting again.

The order is everything: what was written to the disk is waited for until it is on stable storage, and only then the
journal speaks of it. Both happen beside the transfer; the first also where there is no journal, so that the disk works
all the time and not only in the end. Zeros where the disk reads as zeros anyway change nothing: the journal speaks of
them at once. An attempt goes on only where the journal tells of the same source (by what the server says that it can be
recognised by), the same job and the same unfinished disk; and whatever it says else, it is looked at closely, because
it lies where users can write.

After a kill so much is fetched twice: what was not yet settled, at most twice EVERY_BYTES, zeros that were not yet
noted, at most HOLES_BYTES, and what had come but was not yet written, which is the window of the source, 32 MiB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import ImportFailure
from importer_image.extent import Extent
from importer_image.log import log
from importer_image.progress import Progress
from importer_image.target import Target

EVERY_BYTES = 10 << 20
HOLES_BYTES = 4 << 20
VERSION = 2
MOST_INTERVALS = 64 << 10
"""In a journal, half of them as it begins: as many as a decoder leaves open at a time. Where there are more, the
shortest are forgotten and come again."""
NUMBERS = re.compile(r"[0-9]{1,20}(?: [0-9]{1,20})*")

Identity = Mapping[str, str]
"""What must be the same for an attempt to go on, by the name under which the log tells what is not."""


@dataclass(frozen=True)
class Record:
    """The content of a journal: a line that says of what, and lines of what is done, each with all that is new."""

    identity: Identity
    covered: Covered
    fetched_bytes: int
    """How much of the source that took. Only for showing progress."""

    def to_text(self) -> str:
        return json.dumps({"version": VERSION, **self.identity}) + "\n" + line(self.covered, self.fetched_bytes)

    @classmethod
    def from_text(cls, text: str, virtual_bytes: int) -> Record:
        """Raises ValueError for what cannot be one of a disk of that size. A last line without its end is no line."""
        head, *lines = text.split("\n")[:-1] or [""]
        try:
            identity: dict[str, Any] = json.loads(head)
            version = identity.pop("version")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a journal ({type(error).__name__})") from error
        if version != VERSION:
            raise ValueError("of another version")
        if not all(isinstance(value, str) for value in identity.values()):
            raise ValueError("not texts where texts belong")
        if not all(map(NUMBERS.fullmatch, lines)):
            raise ValueError("not numbers where numbers belong")
        fetched_bytes, covered, count = 0, Covered(), 0
        for each in lines:
            fetched_bytes, *bounds = map(int, each.split(" "))
            count += len(bounds)
            if count > 2 * MOST_INTERVALS or not all(0 <= number <= virtual_bytes for number in bounds):
                raise ValueError("not of this disk")
            for start, end in Covered(bounds).intervals:
                covered.add(start, end)
        return cls(identity, covered, fetched_bytes)


def line(covered: Covered, fetched_bytes: int) -> str:
    return " ".join(map(str, (fetched_bytes, *covered.bounds))) + "\n"


class Attempt:
    """One run of an import, which may go on with the disk of the one before."""

    def __init__(self, target: Target, identity: Identity, progress: Progress) -> None:
        """`identity`: of source and job; empty where no later attempt could go on."""
        self._target = target
        self._identity = identity
        self._progress = progress
        self._changes = 0
        self._pending = Parts()
        """Written, but not known to be settled."""
        self._holes = Parts()
        """Zeros that changed nothing."""
        self._covered = Covered()
        """What the journal speaks of."""
        self._noting = Lock()
        self._noted = MOST_INTERVALS
        """Intervals in lines behind the first: where there are many, and at first, the journal is written anew."""
        self._saving: Thread | None = None
        self._failure: ImportFailure | None = None
        self._silent = True
        self._settled = False
        """Whether the disk itself is on stable storage, and what was done to it to begin."""
        self._saved = False

    def begin(self, virtual_bytes: int | None) -> Covered:
        """Begin the disk, or go on with it; what of it is there already and need not come again."""
        found = self._found(virtual_bytes or 0) if self._identity else None
        kept = self._target.begin(virtual_bytes, found.covered if found else UNTOUCHED)
        self._silent = not (self._identity and self._target.journal)
        if found and kept:
            self._covered, self._saved = Covered(kept.bounds), True
            self._progress.resumed_bytes = found.fetched_bytes
            log("going on", after_bytes=found.fetched_bytes, target=self._target.path)
        return kept

    def wrote(self, extent: Extent) -> None:
        """Raises ImportFailure when something that was written before cannot be settled."""
        hole, self._changes = self._target.changes == self._changes, self._target.changes
        (self._holes if hole else self._pending).add(extent, self._target.withheld_bytes)
        if self._silent:
            # Nothing is written down, but the disk works meanwhile, instead of all at once in the end.
            if self._pending.fetched_bytes >= EVERY_BYTES and not (self._saving and self._saving.is_alive()):
                self._save()
        elif self._holes.fetched_bytes >= HOLES_BYTES and self._settled:
            self._note(self._holes.take())
        elif self._pending.fetched_bytes >= EVERY_BYTES or self._holes.fetched_bytes >= HOLES_BYTES:
            self._save()

    def wait(self) -> None:
        """Until nothing is being saved. Raises ImportFailure when something could not be settled."""
        if self._saving:
            self._saving.join()
            self._saving = None
        if self._failure:
            raise self._failure

    def close(self, keep: bool) -> bool:
        """The attempt has failed: whether there is something from which the next can go on, where that is wanted."""
        with suppress(ImportFailure):
            self.wait()
            if keep and not self._silent:
                self._save()
                self.wait()
            return keep and self._saved and bool(self._covered)
        return False

    def _found(self, virtual_bytes: int) -> Record | None:
        """What an earlier attempt has written down, if it is of this disk."""
        journal, imprint = self._target.journal, self._target.imprint()
        text = journal.read() if journal else ""
        if not text:
            return None
        try:
            record = Record.from_text(text, virtual_bytes)
        except ValueError as error:
            log("starting again", reason=f"the journal is {error}")
            return None
        now = {**self._identity, "disk": imprint}
        names = [name for name in sorted({*now, *record.identity}) if now.get(name) != record.identity.get(name)]
        if names or not imprint:
            log("starting again", reason=f"not the same as before: {', '.join(names)}")
            return None
        return record

    def _save(self) -> None:
        """Begin to settle and write down all that is pending."""
        self.wait()
        self._saving = Thread(
            target=self._settle_and_note, args=(self._pending.take(), self._holes.take()), daemon=True
        )
        self._saving.start()

    def _settle_and_note(self, *parts: Covered) -> None:
        try:
            self._target.settle()
        except ImportFailure as failure:
            self._failure = failure
            return
        self._settled = True
        self._note(*parts)

    def _note(self, *parts: Covered) -> None:
        journal, news = self._target.journal, Covered()
        if not journal:
            return
        with self._noting:
            if self._silent:
                # The other thread's line has broken off: one behind it would be read as its end.
                return
            for start, end in (interval for part in parts for interval in part.intervals):
                news.add(start, end)
                self._covered.add(start, end)
            self._noted += len(news.intervals)
            fetched_bytes = self._progress.resumed_bytes + self._progress.source_bytes
            try:
                if self._noted < MOST_INTERVALS // 2:
                    journal.append(line(news, fetched_bytes))
                else:
                    identity = {**self._identity, "disk": self._target.imprint()}
                    longest = self._covered.longest(MOST_INTERVALS // 2)
                    journal.replace(Record(identity, longest, fetched_bytes).to_text())
                    self._noted = 0
                self._saved = True
            except OSError as error:
                log("no journal: a restart will begin again", path=journal.path, error=error.strerror or error)
                self._silent = True


class Parts:
    """Of the disk: they are done, but not noted."""

    def __init__(self) -> None:
        self.fetched_bytes = 0
        self._parts = Covered()

    def add(self, extent: Extent, withheld_bytes: int) -> None:
        self.fetched_bytes += extent.length if extent.data is not None else 0
        self._parts.add(max(extent.offset, withheld_bytes), extent.offset + extent.length)

    def take(self) -> Covered:
        taken, self._parts, self.fetched_bytes = self._parts, Covered(), 0
        return taken
