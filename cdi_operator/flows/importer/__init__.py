"""A claim with import annotations gets a worker pod, and the pod's fate is written on the claim (spec 3, 5, 12)."""

from cdi_operator.flows.importer.observe import observe
from cdi_operator.flows.importer.plan import plan

__all__ = ["observe", "plan"]
