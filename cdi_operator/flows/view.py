"""What a flow may look at: the objects that the watches have seen, by name or by index.

A protocol, so that `observe` runs the same on the live cache and on a table of objects in a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from cdi_operator.flows.actions import Object


class View(Protocol):
    """Reads never wait and never fail: what was not seen is not there."""

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None: ...

    def all(self, kind: str) -> Iterable[Object]: ...

    def by(self, kind: str, index: str, value: str) -> Iterable[Object]:
        """Objects of `kind` whose index `index` (see `cdi_operator.cluster.cache.INDICES`) has `value`."""
        ...

    def progress(self, pod_uid: str) -> float | None:
        """Percent that a running worker pod last told of its transfer; None before the first answer."""
        ...
