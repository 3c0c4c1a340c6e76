"""CDIConfig `config`: the settings of the installation, and what follows from them in this cluster (spec 1.5)."""

from cdi_operator.flows.config.observe import observe
from cdi_operator.flows.config.plan import plan

__all__ = ["observe", "plan"]
