"""What a plan may ask for: a closed set of actions, as values.

A plan is a tuple of these, carried out in order by `cdi_operator.cluster.apply`. Planning again on the result must ask
for nothing more: every action says what should be, not what to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Object = Mapping[str, Any]
"""A Kubernetes object as its JSON."""


@dataclass(frozen=True)
class Ref:
    """One object of the cluster. `uid`, when given, is a precondition: another object of that name is left alone."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""

    @classmethod
    def of(cls, obj: Object) -> Ref:
        meta = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace", ""), meta.get("uid", ""))


@dataclass(frozen=True)
class Seen:
    """An object in the version that a decision was made on."""

    ref: Ref
    resource_version: str


@dataclass(frozen=True)
class Create:
    """Make an object that is not there. If it is by now, somebody was faster: the key is observed again.

    So it is when `as_seen`, where it is given, has changed by now: nothing is made. Nor while a pod, of anybody, uses
    the claim `unused`: that is a refusal (`View.refusal`).
    """

    object: Object
    as_seen: Seen | None = None
    unused: Ref | None = None


@dataclass(frozen=True)
class Ensure:
    """Server-side apply of the fields that we own (and of nothing else)."""

    object: Object


@dataclass(frozen=True)
class PatchStatus:
    """Merge patch of the status subresource (of the object itself, for kinds that have none): only what differs."""

    ref: Ref
    status: Mapping[str, Any]


@dataclass(frozen=True)
class PatchMeta:
    """Merge patch of metadata. A value of None removes the key; lists (finalizers, owners) are given whole.

    `resource_version`, when given, is the version the decision was made on: a newer object is observed again first.
    """

    ref: Ref
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[Object, ...] | None = None
    resource_version: str = ""


@dataclass(frozen=True)
class PatchSpec:
    """Merge patch of the spec, made for one `resource_version`."""

    ref: Ref
    spec: Mapping[str, Any]
    resource_version: str = ""


@dataclass(frozen=True)
class Delete:
    """Delete this very object (by uid, when the ref has one). Gone already is done."""

    ref: Ref


@dataclass(frozen=True)
class Emit:
    """An event about an object, for the user. Repetitions within an hour are counted on the first."""

    ref: Ref
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    component: str = "cdi-controller"


@dataclass(frozen=True)
class Look:
    """Read an object that no watch follows. The key is observed again with what is there (`View.found`)."""

    ref: Ref


@dataclass(frozen=True)
class Wait:
    """Look again after so many seconds, whatever happens in between."""

    seconds: float


@dataclass(frozen=True)
class Issue:
    """Make a new key and a certificate for it, and keep both in a Secret: tls.crt and tls.key, in PEM.

    A plan can say what a certificate is for, but not what its key is: that is random.
    """

    secret: Object
    """Without its data. With a resourceVersion, only that version is replaced."""
    common_name: str
    begins: datetime
    ends: datetime
    why: str
    """For the log."""
    signer: Ref | None = None
    """The Secret with the authority that signs; None: it is an authority itself, and signs for itself."""
    dns_names: tuple[str, ...] = ()
    """Of the server that shows it."""


Action = Create | Ensure | PatchStatus | PatchMeta | PatchSpec | Delete | Emit | Look | Wait | Issue
Plan = tuple[Action, ...]
