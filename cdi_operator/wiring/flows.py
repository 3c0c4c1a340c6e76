"""The flows that the controller runs, as data, and what a flow is to the machinery that drives it.

A flow is a package under `cdi_operator.flows` with two pure functions:

    observe(view: View, key: Key) -> State | None        everything the decision needs; None: nothing to do for this key
    plan(state: State, settings: Settings, now: datetime) -> Plan

`key` is (namespace, name) of the object that the flow looks after; the namespace of a cluster-scoped one is empty.
`now` is aware, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdi_operator.flows import certificates, config, datavolume, importer, populate, storageprofile
from cdi_operator.flows.actions import Plan
from cdi_operator.flows.seen import Key
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.view import View


@dataclass(frozen=True)
class Flow:
    name: str
    observe: Callable[[View, Key], Any]
    plan: Callable[[Any, Settings, datetime], Plan]
    workers: int = 8
    """Keys that are worked on at the same time. While one waits for the API server, the others go on."""


FLOWS = (
    Flow("datavolume", datavolume.observe, datavolume.plan),
    Flow("populate", populate.observe, populate.plan),
    Flow("importer", importer.observe, importer.plan),
    Flow("storageprofile", storageprofile.observe, storageprofile.plan, workers=2),
    Flow("config", config.observe, config.plan, workers=1),
    Flow("certificates", certificates.observe, certificates.plan, workers=1),
)
