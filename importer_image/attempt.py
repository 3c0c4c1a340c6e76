"""How far an import is, written down so that the next attempt goes on from there instead of starting again.

The order is everything: what was written to the disk is waited for until it is on stable storage, and only then the
journal speaks of it. Both happen beside the transfer; the first also where there is no journal, so that the disk works
all the time and not only in the end. An attempt goes on only where the journal tells of the same
source (by what the server says that it can be recognised by), the same job and the same unfinished disk; and whatever
it says else, it is looked at closely, because it lies where users can write.

After a kill so much is fetched twice: what was not yet settled, at most twice EVERY_BYTES, and what had come but was
not yet written, which is the window of the source, at most 32 MiB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from importer_image.covered import UNTOUCHED, Covered
from importer_image.errors import ImportFailure
from importer_image.extent import Extent
from importer_image.log import log
from importer_image.progress import Progress
from importer_image.target import Target

EVERY_BYTES = 12 << 20
VERSION = 1
MOST_INTERVALS = 64 << 10
"""As many as a decoder leaves open at a time. Where there are more, the shortest are forgotten and come again."""

Identity = Mapping[str, str]
"""What must be the same for an attempt to go on, by the name under which the log tells what is not."""


@dataclass(frozen=True)
class Record:
    """The content of a journal."""

    identity: Identity
    covered: Covered
    fetched_bytes: int
    """How much of the source that took. Only for showing progress."""

    def to_json(self) -> str:
        covered = self.covered.longest(MOST_INTERVALS).bounds
        raw = {"version": VERSION, **self.identity, "fetched": self.fetched_bytes, "covered": covered}
        return json.dumps(raw, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, virtual_bytes: int) -> Record:
        """Raises ValueError for what cannot be one of a disk of that size."""
        try:
            raw: dict[str, Any] = json.loads(text)
            version, fetched, bounds = (raw.pop(name) for name in ("version", "fetched", "covered"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a journal ({type(error).__name__})") from error
        if version != VERSION:
            raise ValueError("of another version")
        if not isinstance(bounds, list) or not all(type(number) is int for number in (fetched, *bounds)):
            raise ValueError("not numbers where numbers belong")
        if len(bounds) > 2 * MOST_INTERVALS or not all(0 <= number <= virtual_bytes for number in bounds):
            raise ValueError("not of this disk")
        if not all(isinstance(value, str) for value in raw.values()):
            raise ValueError("not texts where texts belong")
        return cls(raw, Covered(bounds), max(fetched, 0))


class Attempt:
    """One run of an import, which may go on with the disk of the one before."""

    def __init__(self, target: Target, identity: Identity, progress: Progress) -> None:
        """`identity`: of source and job; empty where no later attempt could go on."""
        self._target = target
        self._identity = identity
        self._progress = progress
        self._covered = Covered()
        self._pending: list[tuple[int, int]] = []
        """Written, but not known to be settled."""
        self._pending_bytes = 0
        self._saving: Thread | None = None
        self._failure: ImportFailure | None = None
        self._silent = True
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
        self._pending_bytes += extent.length if extent.data is not None else 0
        full = self._pending_bytes >= EVERY_BYTES
        if self._silent:
            # Nothing is written down, but the disk works meanwhile, instead of all at once in the end.
            if full and not (self._saving and self._saving.is_alive()):
                self.wait()
                self._settle(None)
            return
        self._pending.append((max(extent.offset, self._target.withheld_bytes), extent.offset + extent.length))
        if full:
            self.wait()
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
            record = Record.from_json(text, virtual_bytes)
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
        for start, end in self._pending:
            self._covered.add(start, end)
        record = Record(
            {**self._identity, "disk": self._target.imprint()},
            Covered(self._covered.bounds),
            self._progress.resumed_bytes + self._progress.source_bytes,
        )
        self._pending = []
        self._settle(record)

    def _settle(self, record: Record | None) -> None:
        self._pending_bytes = 0
        self._saving = Thread(target=self._settle_and_write, args=(record,), daemon=True)
        self._saving.start()

    def _settle_and_write(self, record: Record | None) -> None:
        try:
            self._target.settle()
        except ImportFailure as failure:
            self._failure = failure
            return
        journal = self._target.journal
        if journal and record:
            try:
                journal.write(record.to_json())
                self._saved = True
            except OSError as error:
                log("no journal: a restart will begin again", path=journal.path, error=error.strerror or error)
                self._silent = True
