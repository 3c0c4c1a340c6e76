"""A claim that somebody's pod uses is not written to: a machine may run on what is there (as CDI's ImportTargetInUse).

Only a claim that its user knows is looked at: nobody can use a hidden one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cdi_operator.flows.actions import LookForUsers, Plan
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.seen import Claim, controller
from cdi_operator.flows.view import outdated
from cdi_operator.storage.names import prime_name

FRESH = timedelta(seconds=5)
"""So long it counts: longer than a controller with much to do takes to come back to the claim."""


def look(state: State, now: datetime) -> Plan:
    """Nobody follows the pods of all users: they are asked for just before they matter."""
    wanted = not is_hidden(state.claim) and outdated(state.users, FRESH, now)
    return (LookForUsers(state.claim.ref),) if wanted else ()


def in_the_way(state: State) -> str:
    """What to tell while a pod, not one of ours, uses the claim; empty when none does."""
    if state.users is None or state.users.object is None or is_hidden(state.claim):
        return ""
    claim = state.claim.ref
    pods = state.users.object["items"]
    used_by = sorted(pod["metadata"]["name"] for pod in pods if (controller(pod) or {}).get("uid") != claim.uid)
    return f"pod {claim.namespace}/{used_by[0]} using PersistentVolumeClaim {claim.name}" if used_by else ""


def is_hidden(claim: Claim) -> bool:
    return claim.name == prime_name(claim.owner_uid)
