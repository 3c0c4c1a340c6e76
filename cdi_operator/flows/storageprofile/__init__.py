"""One StorageProfile for every StorageClass: what it can do, found out or told by the user (spec 1.4, 4.9)."""

from cdi_operator.flows.storageprofile.observe import observe
from cdi_operator.flows.storageprofile.plan import plan

__all__ = ["observe", "plan"]
