"""A cluster small enough to be a value: a table of objects that is a `View` and that plans can be applied to.

It knows what the API server does to objects as such (names, uids, versions, field ownership, finalizers, garbage
collection) and nothing of what controllers do with them: a test that needs a claim bound says so with `edit`.
With it a flow is tested by what it is for: `plan` on the result of `apply` asks for nothing more.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from cdi_operator.cluster.certificates import issued
from cdi_operator.cluster.indices import INDICES
from cdi_operator.flows.actions import (
    Action,
    Create,
    Delete,
    Emit,
    Ensure,
    Issue,
    Look,
    Object,
    PatchMeta,
    PatchSpec,
    PatchStatus,
    Plan,
    Ref,
    Seen,
    Wait,
)
from cdi_operator.flows.seen import timestamp
from cdi_operator.flows.transfer import Reading
from cdi_operator.flows.view import Found, Refusal

NOW = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)

ObjectKey = tuple[str, str, str]
"""Kind, namespace, name."""


class World:
    """Start it with objects as the API would show them; what is missing of their metadata is filled in."""

    def __init__(self, *objects: dict[str, Any], now: datetime = NOW) -> None:
        self.now = now
        self.emitted: list[Emit] = []
        self.readings: dict[str, Reading] = {}
        """What `progress` answers, by uid of the pod."""
        self.changes: list[tuple[Object, bool]] = []
        """Every object that came, changed or went, in order, and whether it is still there: what watches tell."""
        self.refusals: dict[ObjectKey, Refusal] = {}
        """What the API server will not create, and what it says about it."""
        self.seen: dict[ObjectKey, Found] = {}
        """What `Look` found."""
        self._objects: dict[ObjectKey, dict[str, Any]] = {}
        self._kinds: dict[str, dict[ObjectKey, dict[str, Any]]] = {}
        """The same ones, by kind."""
        self._applied: dict[ObjectKey, dict[str, Any]] = {}
        self._version = 0
        for each in objects:
            self.add(each)

    # The View ---------------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        return self._objects.get((kind, namespace, name))

    def all(self, kind: str) -> Iterable[Object]:
        return list(self._kinds.get(kind, {}).values())

    def by(self, kind: str, index: str, value: str) -> Iterable[Object]:
        filed = INDICES[kind][index]
        return [obj for obj in self.all(kind) if value in filed(obj)]

    def progress(self, pod_uid: str) -> Reading | None:
        return self.readings.get(pod_uid)

    def underway(self, kind: str) -> Iterable[Object]:
        return ()

    def refusal(self, kind: str, name: str, namespace: str = "") -> Refusal | None:
        return self.refusals.get((kind, namespace, name))

    def found(self, kind: str, name: str, namespace: str = "") -> Found | None:
        return self.seen.get((kind, namespace, name))

    # What a test does -------------------------------------------------------------------------------------------

    def add(self, obj: dict[str, Any]) -> Object:
        """Somebody else makes an object."""
        made = copy.deepcopy(obj)
        meta = made["metadata"]
        meta.setdefault("uid", f"uid-{made['kind'].lower()}-{self._next_version()}")
        meta.setdefault("creationTimestamp", timestamp(self.now))
        return self._store(_key(made), made)

    def edit(self, kind: str, name: str, patch: dict[str, Any], namespace: str = "") -> Object:
        """Somebody else changes an object, by a JSON merge patch."""
        key = (kind, namespace, name)
        return self._store(key, merge_patch(self._objects[key], patch))

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Somebody else deletes an object."""
        self._delete((kind, namespace, name))

    def apply(self, plan: Plan) -> None:
        for action in plan:
            self._carry_out(action)

    def snapshot(self) -> dict[ObjectKey, dict[str, Any]]:
        """Every object as it is now; compare two of them to see what a plan changed."""
        return copy.deepcopy(self._objects)

    # What the API server does -----------------------------------------------------------------------------------

    def _carry_out(self, action: Action) -> None:
        match action:
            case Create(obj, seen):
                if _key(obj) not in self._objects and _key(obj) not in self.refusals and self._is_as(seen):
                    self.add(dict(obj))
            case Ensure(obj):
                self._server_side_apply(copy.deepcopy(dict(obj)))
            case PatchStatus(ref, status):
                self._patch(ref, {"status": status})
            case PatchSpec(ref, spec, version):
                self._patch(ref, {"spec": spec}, version)
            case PatchMeta(ref):
                self._patch(ref, {"metadata": _metadata(action)}, action.resource_version)
            case Delete(ref):
                if self._meant(ref):
                    self._delete(_key_of(ref))
            case Issue():
                signer = self._objects[_key_of(action.signer)] if action.signer else None
                self._server_side_apply(issued(action, signer))
            case Emit():
                self.emitted.append(action)
            case Look(ref):
                self.seen[_key_of(ref)] = Found(self._objects.get(_key_of(ref)), self.now)
            case Wait():
                pass

    def _server_side_apply(self, obj: dict[str, Any]) -> None:
        """Takes away what we applied before and do not any more, then merges what we apply now."""
        key = _key(obj)
        if key in self.refusals:
            return
        before = self._objects.get(key)
        if before is None:
            self.add(obj)
        else:
            self._store(key, merge_applied(without(before, self._applied.get(key, {}), obj), obj))
        self._applied[key] = obj

    def _patch(self, ref: Ref, patch: dict[str, Any], version: str = "") -> None:
        """Does nothing to an object that is not the one the decision was made on, as the API server refuses it."""
        key = _key_of(ref)
        if not self._meant(ref) or (version and self._objects[key]["metadata"]["resourceVersion"] != version):
            return
        self._store(key, merge_patch(self._objects[key], patch))

    def _is_as(self, seen: Seen | None) -> bool:
        if seen is None:
            return True
        found = self._objects.get(_key_of(seen.ref))
        return found is not None and found["metadata"]["resourceVersion"] == seen.resource_version

    def _meant(self, ref: Ref) -> bool:
        found = self._objects.get(_key_of(ref))
        return found is not None and ref.uid in ("", found["metadata"]["uid"])

    def _store(self, key: ObjectKey, obj: dict[str, Any]) -> Object:
        """A write that changes nothing makes no new version; one that takes the last finalizer away ends a deletion."""
        if obj == self._objects.get(key):
            return obj
        meta = {**obj["metadata"], "resourceVersion": self._next_version()}
        stored = self._objects[key] = self._kinds.setdefault(key[0], {})[key] = {**obj, "metadata": meta}
        self.changes.append((stored, True))
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            self._remove(key)
        return stored

    def _delete(self, key: ObjectKey) -> None:
        obj = self._objects.get(key)
        if obj is None:
            return
        if obj["metadata"].get("finalizers"):
            self._store(key, merge_patch(obj, {"metadata": {"deletionTimestamp": timestamp(self.now)}}))
        else:
            self._remove(key)

    def _remove(self, key: ObjectKey) -> None:
        self.changes.append((self._objects.pop(key), False))
        del self._kinds[key[0]][key]
        self._applied.pop(key, None)
        alive = {other["metadata"]["uid"] for other in self._objects.values()}
        owners = {other: obj["metadata"].get("ownerReferences") for other, obj in self._objects.items()}
        for orphan in [other for other, them in owners.items() if them and not any(it["uid"] in alive for it in them)]:
            self._delete(orphan)

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)


def settle(world: World, step: Callable[[World], Plan], rounds: int = 10) -> tuple[Plan, ...]:
    """Applies what `step` plans until it asks for nothing but patience; the plans, in order.

    A flow that never comes to rest is a flow that writes in a loop: that is an AssertionError.
    """
    done: list[Plan] = []
    while asked := tuple(action for action in step(world) if not isinstance(action, Wait)):
        assert len(done) < rounds, f"still asking after {rounds} rounds: {asked}"
        world.apply(asked)
        done.append(asked)
    return tuple(done)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for field, value in patch.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = merge_patch(merged.get(field), value)
    return merged


def merge_applied(target: Any, applied: Any) -> Any:
    """Server-side apply's merge: maps field by field, owners by uid, webhooks by name, other lists as a whole."""
    if not isinstance(target, dict) or not isinstance(applied, dict):
        return applied
    merged = dict(target)
    for field, value in applied.items():
        if field == "ownerReferences":
            by_uid = {each["uid"]: each for each in (*merged.get(field, ()), *value)}
            merged[field] = list(by_uid.values())
        elif field == "webhooks":
            by_name = {each["name"]: each for each in value}
            merged[field] = [merge_applied(each, by_name.get(each["name"], {})) for each in merged[field]]
        else:
            merged[field] = merge_applied(merged.get(field), value)
    return merged


def without(target: Any, before: Any, now: Any) -> Any:
    """`target` without the fields that we applied before and do not apply now."""
    if not isinstance(target, dict) or not isinstance(before, dict):
        return target
    kept = {}
    for field, value in target.items():
        if field in before and field not in now and not isinstance(before[field], dict):
            continue
        kept[field] = without(value, before.get(field), now.get(field) or {}) if isinstance(now, dict) else value
    return kept


def _metadata(action: PatchMeta) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    if action.annotations:
        patch["annotations"] = dict(action.annotations)
    if action.labels:
        patch["labels"] = dict(action.labels)
    if action.finalizers is not None:
        patch["finalizers"] = list(action.finalizers)
    if action.owner_references is not None:
        patch["ownerReferences"] = [dict(owner) for owner in action.owner_references]
    return patch


def _key(obj: Object) -> ObjectKey:
    return (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _key_of(ref: Ref) -> ObjectKey:
    return (ref.kind, ref.namespace, ref.name)
