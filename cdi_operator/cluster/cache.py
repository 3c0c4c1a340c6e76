"""What the watches have seen, in memory: every read of the controller is answered from here.

Three sources put objects in: the watches, a relist (which also tells what is no longer there), and the applier with
the answers to our own writes. So they arrive in any order, and the newest must win: a `put` with an older
resourceVersion is ignored, and an object that was seen deleted does not come back.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cdi_operator.cluster.indices import INDICES, Values
from cdi_operator.cluster.refusals import Refusals
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.seen import Key
from cdi_operator.flows.transfer import Reading
from cdi_operator.flows.view import Found, Refusal

Listener = Callable[[Object], None]

TOMBSTONES = 8192
"""Deleted objects that are remembered. A late answer or event about one is seconds late, not thousands of deletions."""
LOOKED_AT = 64
"""Objects of which it is remembered that somebody looked, as large as users make them (at most 1 MiB each). What falls
out is looked at again when it is needed.
"""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Cache:
    """Implements `cdi_operator.flows.view.View`. Objects in it are shared: nobody changes them."""

    def __init__(self, indices: Mapping[str, Mapping[str, Values]] = INDICES) -> None:
        self.refusals = Refusals()
        self._indices = indices
        self._objects: dict[str, dict[Key, Object]] = {}
        self._filed: dict[tuple[str, str, str], dict[Key, None]] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._progress: dict[str, Reading] = {}
        self._found: OrderedDict[tuple[str, Key], Found] = OrderedDict()
        self._underway: list[Object] = []
        self._listeners: list[Listener] = []

    # Reading: the View ------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        return self._objects.get(kind, {}).get((namespace, name))

    def all(self, kind: str) -> Iterable[Object]:
        return tuple(self._objects.get(kind, {}).values())

    def by(self, kind: str, index: str, value: str) -> Iterable[Object]:
        """Raises KeyError when there is no such index."""
        self._indices[kind][index]
        objects = self._objects.get(kind, {})
        return tuple(objects[place] for place in self._filed.get((kind, index, value), ()))

    def progress(self, pod_uid: str) -> Reading | None:
        return self._progress.get(pod_uid)

    def underway(self, kind: str) -> Iterable[Object]:
        return tuple(obj for obj in self._underway if obj["kind"] == kind)

    def refusal(self, kind: str, name: str, namespace: str = "") -> Refusal | None:
        return self.refusals.get(kind, name, namespace)

    def found(self, kind: str, name: str, namespace: str = "") -> Found | None:
        return self._found.get((kind, (namespace, name)))

    # Writing ----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called with every object that changed, and with the last that was known of a deleted one."""
        self._listeners.append(listener)

    def put(self, obj: Object) -> bool:
        """Take over an object, unless something newer is known. True when that changed what readers see."""
        meta = obj["metadata"]
        if meta["uid"] in self._deleted:
            return False
        kind, place = obj["kind"], (meta.get("namespace", ""), meta["name"])
        objects = self._objects.setdefault(kind, {})
        known = objects.get(place)
        if known is not None:
            if version(known) >= version(obj):
                return False
            if known["metadata"]["uid"] != meta["uid"]:
                self._bury(known)
            self._unfile(kind, place, known)
        lean = _lean(obj)
        objects[place] = lean
        self._file(kind, place, lean)
        self.refusals.exists(kind, place)
        self._tell(lean)
        return True

    def forget(self, obj: Object) -> bool:
        """This very object (by uid) is gone. True when readers could still see it."""
        meta = obj["metadata"]
        kind, place = obj["kind"], (meta.get("namespace", ""), meta["name"])
        self._bury(obj)
        known = self._objects.get(kind, {}).get(place)
        if known is None or known["metadata"]["uid"] != meta["uid"]:
            return False
        del self._objects[kind][place]
        self._unfile(kind, place, known)
        self._tell(known)
        return True

    def retain(
        self,
        kind: str,
        uids: Iterable[str],
        resource_version: str,
        listed_if: Callable[[Object], bool] = lambda obj: True,
    ) -> None:
        """A list of `kind` as of `resource_version` had only these: the others that are not newer are gone. The list
        was complete for the objects that `listed_if` holds for.
        """
        listed, as_of = frozenset(uids), int(resource_version)
        for known in self.all(kind):
            if known["metadata"]["uid"] not in listed and version(known) <= as_of and listed_if(known):
                self.forget(known)

    def measured(self, pod: Object, told: Reading) -> None:
        """A worker told how far it is."""
        uid = pod["metadata"]["uid"]
        if uid in self._deleted or self._progress.get(uid) == told:
            return
        self._progress[uid] = told
        self._tell(pod)

    def looked(self, ref: Ref, found: Found) -> None:
        """Somebody asked for an object that is not followed."""
        self._found[ref.kind, (ref.namespace, ref.name)] = found
        self._found.move_to_end((ref.kind, (ref.namespace, ref.name)))
        if len(self._found) > LOOKED_AT:
            self._found.popitem(last=False)

    @contextmanager
    def making(self, objects: Sequence[Object]) -> Iterator[None]:
        """While the block runs, these are asked for: whoever decides meanwhile sees them (`underway`)."""
        self._underway.extend(objects)
        try:
            yield
        finally:
            for obj in objects:
                self._underway.remove(obj)

    # Inside -----------------------------------------------------------------------------------------------------

    def _bury(self, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        self._progress.pop(uid, None)
        self._deleted[uid] = None
        if len(self._deleted) > TOMBSTONES:
            self._deleted.popitem(last=False)

    def _file(self, kind: str, place: Key, obj: Object) -> None:
        for index, values in self._indices.get(kind, {}).items():
            for value in values(obj):
                self._filed.setdefault((kind, index, value), {})[place] = None

    def _unfile(self, kind: str, place: Key, obj: Object) -> None:
        for index, values in self._indices.get(kind, {}).items():
            for value in set(values(obj)):
                shelf = self._filed[kind, index, value]
                del shelf[place]
                if not shelf:
                    del self._filed[kind, index, value]

    def _tell(self, obj: Object) -> None:
        for listener in self._listeners:
            listener(obj)


def version(obj: Object) -> int:
    """resourceVersions of one kind are numbers that grow (Kubernetes KEP-5504)."""
    return int(obj["metadata"]["resourceVersion"])


def _lean(obj: Object) -> Object:
    """Without what nobody here reads and which is more than half of an object: who wrote which field when."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if LAST_APPLIED in meta.get("annotations", {}):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != LAST_APPLIED}
    lean: Object = _shared({**obj, "metadata": meta})
    return lean


def _shared(value: Any) -> Any:
    """The same value, with one copy of every key for all objects: each JSON document is parsed with its own."""
    if isinstance(value, dict):
        return {sys.intern(key): _shared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shared(item) for item in value]
    return value
