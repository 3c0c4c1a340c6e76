"""nbdkit as a child process: started, listened to, started again when it has crashed, ended."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from importer_image.errors import ImportFailure, Permanent, Transient
from importer_image.log import log
from importer_image.source.nbd.connection import Connection
from importer_image.source.vddk.command import PID_FILE, SOCKET, Opening, command
from importer_image.source.vddk.debug_log import DebugLog

START_S = 15.0
"""How long the VMware library may take to load (spec 5.4)."""
LOOK_EVERY_S = 0.01
END_S = 5.0
"""Closing a disk of VMware is a conversation, too; one left open would keep a session of its host."""


@dataclass(frozen=True)
class Running:
    directory: tempfile.TemporaryDirectory[str]
    child: subprocess.Popen[bytes]
    listener: Thread

    @property
    def socket(self) -> str:
        return os.path.join(self.directory.name, SOCKET)

    @property
    def ready(self) -> bool:
        return os.path.exists(os.path.join(self.directory.name, PID_FILE))

    @property
    def ended(self) -> bool:
        return self.child.poll() is not None


class Nbdkit:
    """Nothing of it outlives `close`, nor this process."""

    def __init__(self, opening: Opening, password: str) -> None:
        self.log = DebugLog()
        self._opening = opening
        self._password = password
        self._running: Running | None = None
        self._connection: Connection | None = None
        self._closed = False

    def connect(self) -> Connection:
        """To one that runs; the disk is opened by that. Raises ImportFailure."""
        running = self._running
        if running is None or running.ended:
            self._end()
            if self._closed:
                raise Permanent("nbdkit has been ended")
            running = self._running = self._start()
        deadline = time.monotonic() + START_S
        while not running.ready:
            if running.ended:
                raise Permanent(f"nbdkit ended with {running.child.returncode}")
            if time.monotonic() > deadline:
                raise Transient(f"nbdkit is not ready after {START_S:.0f} s")
            time.sleep(LOOK_EVERY_S)
        self._connection = Connection(running.socket)
        return self._connection

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """A failure that passes is final, and gets the last words of nbdkit and the library."""
        try:
            yield
        except ImportFailure as failure:
            self.close()
            if self.log.errors:
                failure.text = f"{failure.text}: {self.log.errors}"
            raise

    def close(self) -> None:
        """For good."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        """When it has ended, all that it said has been heard. It does not end as long as somebody is connected."""
        if self._connection:
            self._connection.abort()
        running, self._running = self._running, None
        if running is None:
            return
        running.child.terminate()
        try:
            running.child.wait(END_S)
        except subprocess.TimeoutExpired:
            running.child.kill()
            running.child.wait()
        running.listener.join(END_S)
        running.directory.cleanup()

    def _start(self) -> Running:
        try:
            directory = tempfile.TemporaryDirectory(prefix="nbdkit-")
        except OSError as error:
            raise Permanent(f"no place for the socket of nbdkit: {error}", "Mount an emptyDir at /tmp.") from error
        try:
            child = spawned(self._opening, self._password, directory.name)
        except FileNotFoundError as error:
            directory.cleanup()
            raise Permanent("nbdkit is not installed", "Install nbdkit with its vddk plugin.") from error
        listener = Thread(target=self._listen, args=(child,), daemon=True)
        listener.start()
        return Running(directory, child, listener)

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout
        with child.stdout:
            for line in child.stdout:
                if error := self.log.heard(line.decode("utf-8", "replace").rstrip()):
                    log("nbdkit", error=error)


def spawned(opening: Opening, password: str, directory: str) -> subprocess.Popen[bytes]:
    reading, writing = os.pipe()
    try:
        with open(writing, "w", encoding="utf-8") as pipe:
            pipe.write(password)
        return subprocess.Popen(
            command(opening, directory, reading),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(reading,),
        )
    finally:
        os.close(reading)
