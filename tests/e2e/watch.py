"""What `kubectl get --watch` prints, kept: tests wait on it, and read from it which phases a DataVolume went through.

A watch ends with the API server that serves it; it is taken up again with a new list, so that a test that restarts the
API server goes on seeing. What is deleted in between is not noticed: for that there is `namespaces.until_empty`.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from devcluster.kubectl import Kubectl, Object

WATCHING = ("--watch", "--output-watch-events", "--output=json")
RECONNECT_S = 0.3


class Watch:
    """All objects of one kind in kubectl's namespace: `now` as they are, by name, and `seen` as they were.

    `flags`: of kubectl, such as a selector, or --all-namespaces where names are of one object only.
    """

    def __init__(self, kubectl: Kubectl, kind: str, *flags: str) -> None:
        self._kubectl = kubectl
        self._kind = kind
        self._flags = flags
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._watching: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, name=f"watch {kind}", daemon=True)
        self.now: dict[str, Object] = {}
        self.seen: list[Object] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._watching is not None:
            self._watching.kill()
        self._thread.join()

    def until(self, done: Callable[[dict[str, Object]], Any], what: str, timeout_s: float = 60) -> None:
        """Wait until `done(objects by name)`; AssertionError that says `what` and shows the status of all objects."""
        if not self.within(timeout_s, done):
            status = {name: obj.get("status") for name, obj in self.now.items()}
            raise AssertionError(f"not within {timeout_s} s: {what}; {self._kind}: {json.dumps(status, indent=1)}")

    def within(self, seconds: float, done: Callable[[dict[str, Object]], Any]) -> bool:
        """Whether `done(objects by name)` became true before `seconds` were over."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: done(self.now), seconds))

    def history(self, name: str) -> list[Object]:
        """Every version of the object that was seen, the oldest first."""
        with self._changed:
            return [obj for obj in self.seen if obj["metadata"]["name"] == name]

    def _follow(self) -> None:
        while not self._closing.is_set():
            with self._kubectl.open("get", self._kind, *self._flags, *WATCHING) as process:
                self._watching = process
                if self._closing.is_set():
                    process.kill()
                assert process.stdout
                for line in process.stdout:
                    self._take(json.loads(line))
            # Until the API server listens again, kubectl ends at once.
            self._closing.wait(RECONNECT_S)

    def _take(self, event: Object) -> None:
        obj = event["object"]
        name = obj["metadata"].get("name", "")
        with self._changed:
            if event["type"] == "DELETED":
                self.now.pop(name, None)
            elif event["type"] in ("ADDED", "MODIFIED"):
                self.now[name] = obj
                self.seen.append(obj)
            self._changed.notify_all()


def phase(now: Mapping[str, Object], name: str) -> str:
    """status.phase of the object of that name; empty while there is none."""
    return str((now.get(name, {}).get("status") or {}).get("phase") or "")


def phases(history: list[Object]) -> list[str]:
    """The phases of one object in their order, each once for as long as it lasted."""
    found: list[str] = []
    for obj in history:
        at = str((obj.get("status") or {}).get("phase") or "")
        if at and found[-1:] != [at]:
            found.append(at)
    return found


def running_condition(volume: Object) -> Object:
    conditions = (volume.get("status") or {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == "Running"), {})


def message(volume: Object) -> str:
    """Of the condition Running of a DataVolume."""
    return str(running_condition(volume).get("message", ""))
