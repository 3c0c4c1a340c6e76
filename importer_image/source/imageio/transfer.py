"""The life of an image transfer: it waits for a locked disk, is kept alive as long as it is read, and is ended.

Until it is ended the disk is locked in oVirt, so whatever happens in between, `end` is called; and because a worker can
also just vanish, the engine ends a transfer by itself when it has been idle for INACTIVITY_S.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread

from importer_image.errors import ImportFailure, Transient
from importer_image.log import log
from importer_image.source.imageio.engine import Engine, Locked, State, Wanted

INACTIVITY_S = 60
STARTING = ("initializing", "resuming")
ENDED = ("finished", "cancelled")
"""What the names of the last phases begin with. Old engines forget a transfer that is over."""


@dataclass(frozen=True)
class Pace:
    locked_attempts: int = 40
    locked_s: float = 15.0
    starting_attempts: int = 120
    starting_s: float = 0.5
    renew_s: float = 30.0
    end_attempts: int = 10
    end_s: float = 2.0


PACE = Pace()


class Transfer:
    def __init__(self, engine: Engine, transfer_id: str) -> None:
        self.id = transfer_id
        self._engine = engine
        self._over = Event()
        self._keeper: Thread | None = None

    def started(self) -> State:
        """As soon as bytes can be read."""
        for _ in range(PACE.starting_attempts):
            state = self._engine.state(self.id)
            if state is None or state.phase not in STARTING:
                break
            time.sleep(PACE.starting_s)
        if state is None or state.phase != "transferring" or not state.urls:
            phase = state.phase if state else "gone"
            raise Transient(f"image transfer {self.id} does not begin: it is {phase}", "The events in oVirt say more.")
        return state

    def keep_alive(self, touch: Callable[[], None]) -> None:
        """While what has been read is written nothing is read, which looks idle: `touch` reads a little."""
        self._keeper = Thread(target=self._keep, args=(touch,), daemon=True)
        self._keeper.start()

    def end(self, succeeded: bool) -> None:
        """Never fails: the bytes are here or not, and the engine cleans up in the end."""
        if self._over.is_set():
            return
        self._over.set()
        try:
            self._engine.act(self.id, "finalize" if succeeded else "cancel")
            for _ in range(PACE.end_attempts):
                state = self._engine.state(self.id)
                if state is None or state.phase.startswith(ENDED):
                    return
                time.sleep(PACE.end_s)
            log("retry limit exceeded for transfer ticket cleanup, disk may remain locked until inactivity timeout")
        except ImportFailure as failure:
            log("cannot end the image transfer", transfer=self.id, error=failure.text)

    def _keep(self, touch: Callable[[], None]) -> None:
        while not self._over.wait(PACE.renew_s):
            try:
                self._engine.act(self.id, "extend")
                touch()
            except ImportFailure as failure:
                log("cannot extend the image transfer", transfer=self.id, error=failure.text)


def begin(engine: Engine, wanted: Wanted) -> Transfer:
    for attempt in count(1):
        try:
            engine.require_disk(wanted.disk_id)
            return Transfer(engine, engine.begin(wanted).id)
        except Locked as failure:
            if attempt == PACE.locked_attempts:
                raise
            log("waiting for the disk", error=failure.text, attempt=attempt, pause_s=PACE.locked_s)
            time.sleep(PACE.locked_s)
    raise AssertionError
