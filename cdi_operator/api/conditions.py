"""Conditions: what an object says of itself, one row a question (spec 2.4)."""

from __future__ import annotations

from datetime import datetime

from cdi_operator.api.model import Model


class Condition(Model):
    """One answer about the object: is it so, since when, and why."""

    type: str
    """What the condition is about, such as Ready."""
    status: str
    """True, False or Unknown."""
    reason: str | None = None
    """Why, in one word for programs."""
    message: str | None = None
    """Why, in a sentence for people."""
    last_transition_time: datetime | None = None
    """When the status last changed."""
    last_heartbeat_time: datetime | None = None
    """When the reason or the message was last brought up to date."""
