"""Carries out a plan: one action, one request, its answer into the cache, so that the next look sees our own writes.

What the API server answers decides what happens next:

    conflict, exists already, gone       `Stale`: the decision was made on an old picture, look again soon
    refuses to create (quota, invalid)   noted where the flow sees it (`View.refusal`), tried again when due
    is not well, not reachable           raised as it is: the queue waits and tries again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from cdi_operator.cluster import certificates
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Stale
from cdi_operator.cluster.events import Recorder
from cdi_operator.cluster.informer import FOLLOWED, Selection
from cdi_operator.cluster.kinds import KINDS
from cdi_operator.flows.actions import (
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
    Wait,
)
from cdi_operator.flows.seen import controller, uses
from cdi_operator.flows.view import IN_USE, Found

log = structlog.get_logger(__name__)

NOT_FOUND, CONFLICT = 404, 409
AT_ONCE_S = 0.001
AT_WORK = "status.phase!=Succeeded,status.phase!=Failed"
"""Of pods: those that are not over."""
REFUSED = frozenset({400, 403, 422})
"""Answers to a Create that only a person can change: bad request, forbidden (also: quota, policy), invalid."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Applier:
    def __init__(
        self,
        client: Client,
        cache: Cache,
        events: Recorder,
        now: Callable[[], datetime] = utc_now,
        followed: Mapping[str, Selection] = FOLLOWED,
    ) -> None:
        self._client = client
        self._cache = cache
        self._events = events
        self._now = now
        self._followed = followed

    async def carry_out(self, plan: Plan) -> float | None:
        """In order. The seconds after which to look again even if nothing changes; None when there is no need.

        Raises Stale, ApiError, Unreachable; what was done until then stays done.
        """
        with self._cache.making([action.object for action in plan if isinstance(action, Create)]):
            return await self._carry_out(plan)

    async def _carry_out(self, plan: Plan) -> float | None:
        waits: list[float] = []
        for action in plan:
            match action:
                case Create(obj) | Ensure(obj):
                    waits.append(await self._make(action, obj))
                case PatchStatus(ref, status):
                    subresource = "status" if KINDS[ref.kind].status_subresource else ""
                    await self._patch(ref, {"status": status}, subresource=subresource)
                case PatchSpec(ref, spec, version):
                    await self._patch(ref, {**_only_for(version), "spec": spec})
                case PatchMeta(ref):
                    await self._patch(ref, {"metadata": _metadata(action)})
                case Delete(ref):
                    await self._delete(ref)
                case Issue():
                    await self._issue(action)
                case Emit():
                    self._events.emit(action)
                case Look(ref):
                    there = await self._client.get(ref.kind, ref.name, ref.namespace)
                    self._cache.looked(ref, Found(there, self._now()))
                    waits.append(AT_ONCE_S)
                case Wait(seconds):
                    waits.append(seconds)
        return min((seconds for seconds in waits if seconds), default=None)

    async def _make(self, action: Create | Ensure, obj: Object) -> float:
        """0 when it is there now; else the seconds until it is worth another try."""
        refusals = self._cache.refusals
        if wait_s := refusals.wait_s(obj, self._now()):
            return wait_s
        if isinstance(action, Create) and action.unused and (pod := await self._user(action.unused)):
            claim = action.unused
            text = f"pod {claim.namespace}/{pod} using PersistentVolumeClaim {claim.name}"
            return self._refused(obj, ApiError(CONFLICT, IN_USE, text))
        if isinstance(action, Create) and action.as_seen:
            # The API server writes nothing when nothing changes, but it refuses to where the version is another.
            await self._patch(action.as_seen.ref, _only_for(action.as_seen.resource_version))
        try:
            made = await (self._client.create(obj) if isinstance(action, Create) else self._client.apply(obj))
        except ApiError as error:
            if error.status == NOT_FOUND:
                raise Stale(error.message) from error
            if error.status == CONFLICT:
                await self._look_who_has_the_name(obj, error)
            elif error.status not in REFUSED:
                raise
            return self._refused(obj, error)
        if isinstance(action, Create):
            log.info("created", kind=obj["kind"], **_name(obj))
        if self._follows(made):
            self._cache.put(made)
        return 0.0

    def _refused(self, obj: Object, error: ApiError) -> float:
        """The seconds until it is worth another try. Raises Stale when the refusal is news to whoever planned this."""
        if self._cache.refusals.refused(obj, error, self._now()):
            log.info("refused", kind=obj["kind"], **_name(obj), reason=error.reason, error=error.message)
            raise Stale(error.message) from error
        return self._cache.refusals.wait_s(obj, self._now())

    async def _user(self, claim: Ref) -> str:
        """The first pod by name, not one that the claim controls, that uses the claim and is not over; mostly none.
        Nobody follows the pods of all users.
        """
        pages = self._client.list("Pod", namespace=claim.namespace, fields=AT_WORK)
        using = [pod async for page, _ in pages for pod in page if uses(pod, claim.name)]
        others = [pod["metadata"]["name"] for pod in using if (controller(pod) or {}).get("uid") != claim.uid]
        return min(others, default="")

    async def _look_who_has_the_name(self, obj: Object, conflict: ApiError) -> None:
        """Raises Stale when the next look will see the object that was faster; returns when it is one that we do not
        follow (it lacks our label), which only the flow can tell the user about.
        """
        kind, meta = obj["kind"], obj["metadata"]
        holder = await self._client.get(kind, meta["name"], meta.get("namespace", ""))
        if holder is None:
            raise Stale(conflict.message) from conflict
        if self._follows(holder):
            self._cache.put(holder)
            raise Stale(conflict.message) from conflict

    def _follows(self, obj: Object) -> bool:
        return self._followed.get(obj["kind"], Selection(obj["kind"])).covers(obj)

    async def _issue(self, action: Issue) -> None:
        """Keys are here for as long as they are made and used: none is logged, and none comes into the cache."""
        secrets = self._followed["Secret"]
        try:
            signer = await self._signer(action)
            self._cache.put(secrets.trimmed(await self._client.apply(certificates.issued(action, signer))))
        except ApiError as error:
            if error.status in (NOT_FOUND, CONFLICT):
                raise Stale(error.message) from error
            raise
        except certificates.UnusableSignerError as error:
            # Nobody can sign with it any more: away with it, and the flow will ask for another.
            assert action.signer is not None
            log.warning("a signer is of no use, deleting it", name=action.signer.name, error=str(error))
            await self._delete(action.signer)
            raise Stale(str(error)) from error
        log.info("issued a certificate", **_name(action.secret), why=action.why, ends=action.ends.isoformat())

    async def _signer(self, action: Issue) -> Object | None:
        if action.signer is None:
            return None
        found = await self._client.get("Secret", action.signer.name, action.signer.namespace)
        if found is None:
            self._forget(action.signer)
            raise Stale(f"the secret {action.signer.name} is gone")
        return found

    async def _patch(self, ref: Ref, changes: Mapping[str, Any], *, subresource: str = "") -> None:
        try:
            self._cache.put(await self._client.patch(ref, changes, subresource=subresource))
            log.debug("patched", kind=ref.kind, name=ref.name, namespace=ref.namespace, changes=changes)
        except ApiError as error:
            if error.status == NOT_FOUND:
                self._forget(ref)
            if error.status in (NOT_FOUND, CONFLICT):
                raise Stale(error.message) from error
            raise

    async def _delete(self, ref: Ref) -> None:
        """A conflict means that the name is another object's by now: the one that was meant is gone."""
        try:
            answer = await self._client.delete(ref)
        except ApiError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise
            self._forget(ref)
            return
        log.info("deleted", kind=ref.kind, name=ref.name, namespace=ref.namespace)
        if answer["kind"] == ref.kind:
            self._cache.put(answer)
        else:
            self._forget(ref)

    def _forget(self, ref: Ref) -> None:
        known = self._cache.get(ref.kind, ref.name, ref.namespace)
        if known is not None and ref.uid in ("", known["metadata"]["uid"]):
            self._cache.forget(known)


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
    if action.resource_version:
        patch["resourceVersion"] = action.resource_version
    return patch


def _only_for(resource_version: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": resource_version}} if resource_version else {}


def _name(obj: Object) -> dict[str, str]:
    return {"name": obj["metadata"]["name"], "namespace": obj["metadata"].get("namespace", "")}
