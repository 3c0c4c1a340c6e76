"""What the populate flow knows about one claim that waits for its content.

`target` is the claim that the user sees; `prime` the hidden claim on which the work is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.flows.actions import Ref
from cdi_operator.flows.defaults import Defaults
from cdi_operator.flows.seen import Claim, Happening, StorageClass
from cdi_operator.flows.transfer import Reading
from cdi_operator.flows.view import Refusal


@dataclass(frozen=True)
class Volume:
    """The PersistentVolume behind the hidden claim."""

    ref: Ref
    resource_version: str
    claim_uid: str
    """uid of the claim that it belongs to."""


@dataclass(frozen=True)
class State:
    target: Claim
    source: Mapping[str, Any] | None
    """spec of the VolumeImportSource, None while there is none."""
    storage_class: StorageClass | None
    defaults: Defaults
    prime: Claim | None
    volume: Volume | None
    handed_over: bool
    """A volume belongs to the target already, by its claimRef; the cluster's binder has yet to tell the target."""
    reading: Reading | None
    """What the worker tells while it runs."""
    news: Happening | None
    """The latest event about the hidden claim. That two claims want one volume is none: so it is handed over."""
    untold: tuple[Happening, ...]
    """Earlier ones that the target does not know of, the oldest first."""
    refusal: Refusal | None
    """Why the API server would not make the hidden claim."""


def relayed(news: Happening, prime_name: str) -> str:
    """What happened to the hidden claim, as it is told on the target (spec 2.4)."""
    return f"[{prime_name}] : {news.message}"
