"""What the importer flow knows about one claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.flows.defaults import Defaults
from cdi_operator.flows.queue import Traffic
from cdi_operator.flows.seen import Claim, StorageClass, Worker
from cdi_operator.flows.stages import Stage, Stages
from cdi_operator.flows.transfer import Reading
from cdi_operator.flows.view import Found, Refusal


@dataclass(frozen=True)
class State:
    claim: Claim
    storage_class: StorageClass | None
    stages: Stages
    """Of a warm import, as far as they are listed by now."""
    stage: Stage | None
    """The one that the claim is in. None: the import has none, or is over."""
    worker: Worker | None
    """Of that stage, or of the import."""
    former: tuple[Worker, ...]
    """Pods of other stages that are still there."""
    reading: Reading | None
    """What the worker tells while it runs."""
    shows_itself: bool
    """The claim is a user's own: neither a DataVolume nor a target shows how its transfer goes."""
    traffic: Traffic
    """What else is being transferred: whether it is this claim's turn."""
    refusal: Refusal | None
    """Why the API server would not make the pod."""
    defaults: Defaults
    owner_uid: str
    """Label of the progress metric: the DataVolume behind the claim, else the claim that the user made."""
    pod_labels: dict[str, str]
    """Labels of the claim that the user made: its pods carry them too."""
    placement: Mapping[str, Any]
    """Where the installation lets worker pods run, as in a pod's spec."""
    vddk_image: str = ""
    """With VMware's library, for whoever names none; empty where the administrator has named none either."""
    extra_args: Found | None = None
    """The ConfigMap with settings for that library, where one is named and has been looked at."""
    image_stream: Found | None = None
    """The ImageStream that names the image, where one does and has been looked at."""
    proxy_ca: str = ""
    """Certificates (PEM) that vouch for the installation's proxy; empty where there are none."""
