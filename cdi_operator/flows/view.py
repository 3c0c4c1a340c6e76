"""What a flow may look at: the objects that the watches have seen, by name or by index.

A protocol, so that `observe` runs the same on the live cache and on a table of objects in a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.transfer import Reading

IN_USE = "InUse"


@dataclass(frozen=True)
class Refusal:
    """What the API server said when it turned down the last Create (or Ensure) of an object: a quota, a policy, a
    value that it does not take.

    A plan that sees it tells the user, and asks for the object again all the same: the applier holds that action back
    until the next try is due, and lets the others through. Gone once the object exists.
    """

    ref: Ref
    reason: str
    """Reason of the API's status: Forbidden, Invalid, BadRequest; AlreadyExists when a stranger has the name. IN_USE is
    our own: the claim is not `Create.unused`.
    """
    message: str
    at: datetime

    @property
    def exceeds_quota(self) -> bool:
        """The API server has no reason of its own for it: a Forbidden whose message says so."""
        return "exceeded quota" in self.message

    @property
    def in_use(self) -> bool:
        return self.reason == IN_USE

    @property
    def namespace_ends(self) -> bool:
        """Nobody is left there to be told. The object is asked for all the same: the namespace may be made again."""
        return "because it is being terminated" in self.message


@dataclass(frozen=True)
class Found:
    """What a `Look` has found."""

    object: Object | None
    """None: there is none."""
    at: datetime


def outdated(found: Found | None, fresh: timedelta, now: datetime) -> bool:
    """Whether it has to be looked at (again) before anything is decided by it."""
    return found is None or now - found.at >= fresh


class View(Protocol):
    """Reads never wait and never fail: what was not seen is not there."""

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None: ...

    def all(self, kind: str) -> Iterable[Object]: ...

    def by(self, kind: str, index: str, value: str) -> Iterable[Object]:
        """Objects of `kind` whose index `index` (see `cdi_operator.cluster.indices.INDICES`) has `value`."""
        ...

    def progress(self, pod_uid: str) -> Reading | None:
        """What a running worker pod last told of its transfer; None before the first answer."""
        ...

    def underway(self, kind: str) -> Iterable[Object]:
        """Objects that the API server was asked to create and has not answered about."""
        ...

    def refusal(self, kind: str, name: str, namespace: str = "") -> Refusal | None:
        """Why that object could not be created, when the last try was refused."""
        ...

    def found(self, kind: str, name: str, namespace: str = "") -> Found | None:
        """What was there when it was last looked at; None when nobody has."""
        ...
