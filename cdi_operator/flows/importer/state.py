"""What the importer flow knows about one claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.flows.defaults import Defaults
from cdi_operator.flows.seen import Claim, StorageClass, Worker
from cdi_operator.flows.view import Refusal


@dataclass(frozen=True)
class State:
    claim: Claim
    storage_class: StorageClass | None
    worker: Worker | None
    refusal: Refusal | None
    """Why the API server would not make the pod."""
    defaults: Defaults
    owner_uid: str
    """Label of the progress metric: the DataVolume behind the claim, else the claim that the user made."""
    pod_labels: dict[str, str]
    """Labels of the claim that the user made: its pods carry them too."""
    placement: Mapping[str, Any]
    """Where the installation lets worker pods run, as in a pod's spec."""
    proxy_ca: str = ""
    """Certificates (PEM) that vouch for the installation's proxy; empty where there are none."""
