"""A DataVolume gets its claim, the claim gets what fills it, and the DataVolume tells how that goes (spec 2, 4.7)."""

from cdi_operator.flows.datavolume.observe import observe
from cdi_operator.flows.datavolume.plan import plan

__all__ = ["observe", "plan"]
