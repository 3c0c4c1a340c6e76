"""The certificates of our own servers: issued, trusted and renewed in time (spec 8.4)."""

from cdi_operator.flows.certificates.observe import observe
from cdi_operator.flows.certificates.plan import plan

__all__ = ["observe", "plan"]
