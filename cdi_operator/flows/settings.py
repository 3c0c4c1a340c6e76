"""What the installer decided, as the flows may read it. Where the values come from is the wiring's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cdi_operator.api import annotations as names


@dataclass(frozen=True)
class Settings:
    """The same for the whole life of a controller (spec 8.2); what may change at run time is in CDI and CDIConfig."""

    namespace: str
    """Where the controller is installed: leases, and the secrets and ConfigMaps of the installation."""
    importer_image: str
    pull_policy: str = "IfNotPresent"
    verbosity: int = 1
    """`-v` of the worker pods, as CDI's users know it: 1 is terse, 3 tells of every step."""
    part_of: str = ""
    """Label app.kubernetes.io/part-of of everything we create; empty for none."""
    version: str = ""
    """Label app.kubernetes.io/version of everything we create; empty for none."""
    config: Mapping[str, Any] | None = None
    """Spec of CDIConfig `config` where an installer without CDI object decides it (helm); None: nobody said."""

    config_annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of CDIConfig that the installer decides: limits of transfers, labels and annotations of workers."""

    @property
    def labels(self) -> dict[str, str]:
        """The recommended labels of everything that we create (spec 3.2)."""
        recommended = {
            names.MANAGED_BY: names.MANAGED_BY_CONTROLLER,
            names.RECOMMENDED_COMPONENT: names.RECOMMENDED_COMPONENT_STORAGE,
            names.PART_OF: self.part_of,
            names.VERSION: self.version,
        }
        return {key: value for key, value in recommended.items() if value}
