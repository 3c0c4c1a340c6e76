"""A pod that its kubelet has put aside is touched, a few times and ever later; one that is at work is left alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import PatchMeta, Wait
from cdi_operator.flows.importer.nudge import nudge
from cdi_operator.flows.seen import worker
from tests.unit.flows.given import deleting, ended, having, pod, running, waiting

MADE = datetime(2026, 1, 1, tzinfo=UTC)
ON_NODE: Any = {"spec": {"nodeName": "node-1"}, "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}
ASIDE = pod(**ON_NODE)


def touched(pod, times):
    return having(pod, metadata={"annotations": {names.POD_NUDGED: str(times)}})


@pytest.mark.parametrize(
    ("seen", "age_s", "wanted"),
    [
        (ASIDE, 0.5, Wait(1.5)),
        (ASIDE, 2.0, "1"),
        # our clock is behind the API server's
        (ASIDE, -30.0, Wait(32.0)),
        (ASIDE, -86400.0, "1"),
        (pod(container=waiting("ContainerCreating"), **ON_NODE), 2.5, "1"),
        (touched(ASIDE, 1), 2.5, Wait(1.5)),
        (touched(ASIDE, 1), 4.0, "2"),
        (touched(ASIDE, 2), 8.0, "3"),
        (touched(ASIDE, 3), 60.0, None),
        (pod(metadata=ON_NODE["metadata"]), 60.0, None),
        (pod(container=waiting("ImagePullBackOff"), **ON_NODE), 60.0, None),
        (pod(container=waiting("CrashLoopBackOff", before=ended(1)), **ON_NODE), 60.0, None),
        (pod("Running", running(), **ON_NODE), 60.0, None),
        (pod("Succeeded", **ON_NODE), 60.0, None),
        (deleting(ASIDE), 60.0, None),
    ],
)
def test_nudge(seen, age_s, wanted):
    plan = nudge(worker(seen), MADE + timedelta(seconds=age_s))
    if isinstance(wanted, str):
        (action,) = plan
        assert isinstance(action, PatchMeta)
        assert (action.ref.kind, action.annotations) == ("Pod", {names.POD_NUDGED: wanted})
    else:
        assert plan == (() if wanted is None else (wanted,))
