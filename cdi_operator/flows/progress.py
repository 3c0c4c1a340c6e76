"""How far the worker of a claim is, and the text of it that clients read (spec 2.2, 3.8)."""

from __future__ import annotations

from cdi_operator.flows.seen import Claim, worker
from cdi_operator.flows.transfer import Reading
from cdi_operator.flows.view import View

NOT_KNOWN = "N/A"
DONE = "100.0%"


def reading(view: View, claim: Claim | None) -> Reading | None:
    """What the claim's worker last told; None before it told anything, and when it has ended."""
    workers = (worker(pod) for pod in view.by("Pod", "owner", claim.ref.uid)) if claim else ()
    told = (view.progress(each.ref.uid) for each in workers if each is not None and each.running)
    return next((found for found in told if found is not None), None)


def text(percent: float | None, before: str = "") -> str:
    """Two decimals; empty while nothing is known, and from 100 on: that is kept for when the data is all there.

    Not less than `before`, the text until now: a worker that begins again takes nothing back.
    """
    shown = "" if percent is None else f"{percent:.2f}%"
    if shown.startswith("100"):
        return ""
    return before if shown and before != DONE and _number(before) > _number(shown) else shown


def _number(text: str) -> float:
    try:
        return float(text.rstrip("%"))
    except ValueError:
        return -1.0
