"""How far the worker of a claim is, in percent and as the text that clients read (spec 2.2, 3.8)."""

from __future__ import annotations

from cdi_operator.flows.seen import Claim
from cdi_operator.flows.view import View

NOT_KNOWN = "N/A"
DONE = "100.0%"


def percent(view: View, claim: Claim | None) -> float | None:
    """What the claim's worker last said; None before it said anything. Pods of earlier stages may be kept."""
    pods = view.by("Pod", "owner", claim.ref.uid) if claim else ()
    newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)
    return view.progress(newest["metadata"]["uid"]) if newest else None


def text(percent: float | None) -> str:
    """Two decimals; empty while nothing is known, and from 100 on: that is kept for when the data is all there."""
    shown = "" if percent is None else f"{percent:.2f}%"
    return "" if shown.startswith("100") else shown
