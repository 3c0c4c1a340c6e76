"""A claim that names a VolumeImportSource is filled through a hidden claim, whose volume it then gets (spec 4.2)."""

from cdi_operator.flows.populate.observe import observe
from cdi_operator.flows.populate.plan import plan

__all__ = ["observe", "plan"]
