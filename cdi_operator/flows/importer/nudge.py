"""Wakes a kubelet that has put a pod aside.

A kubelet that cannot prepare a pod looks at it again 10 to 15 s later, though what it lacked is often there within
milliseconds: on a busy cluster the API server may not let it read the claims of a pod that it was given a moment ago
(seen in about one of fifteen imports on two loaded cores). Any change of the pod makes it look at once, so a pod that
has not started is touched, a few times and ever later.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import PatchMeta, Plan, Wait
from cdi_operator.flows.seen import Worker, remaining_s

AFTER = tuple(timedelta(seconds=age_s) for age_s in (2, 4, 8))
"""Ages of the pod at which it is touched, if it still has not started. A start takes about one second."""


def nudge(worker: Worker, now: datetime) -> Plan:
    if not being_prepared(worker) or worker.nudges >= len(AFTER):
        return ()
    if left_s := remaining_s(worker.created_at, AFTER[worker.nudges], now):
        return (Wait(left_s),)
    return (PatchMeta(worker.ref, annotations={names.POD_NUDGED: str(worker.nudges + 1)}),)


def being_prepared(worker: Worker) -> bool:
    """It has a node, and its container has not started yet for no reason that the kubelet gives."""
    unstarted = worker.phase == "Pending" and not worker.running and worker.exit_code is None
    return (
        unstarted and bool(worker.node) and not worker.deleting and worker.waiting_reason in ("", "ContainerCreating")
    )
