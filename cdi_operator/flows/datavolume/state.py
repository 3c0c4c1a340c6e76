"""What the DataVolume flow knows about one DataVolume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Ref
from cdi_operator.flows.defaults import Defaults
from cdi_operator.flows.rendering import Offer
from cdi_operator.flows.seen import Claim, Happening, StorageClass
from cdi_operator.flows.sources import import_kind
from cdi_operator.flows.view import Refusal


@dataclass(frozen=True)
class DataVolume:
    ref: Ref
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    deleting: bool

    @property
    def phase(self) -> str:
        return str(self.status.get("phase") or "")

    @property
    def source(self) -> Mapping[str, Any]:
        return self.spec.get("source") or {}

    @property
    def import_kind(self) -> str | None:
        return import_kind(self.source)

    @property
    def content_type(self) -> str:
        return self.spec.get("contentType") or "kubevirt"


@dataclass(frozen=True)
class State:
    volume: DataVolume
    claim: Claim | None
    prime: Claim | None
    """The hidden claim, while the population is on its way."""
    has_source: bool
    """The VolumeImportSource of this DataVolume exists."""
    offer: Offer
    """What the cluster has of the class that the claim names, or of the default for a claim that names none."""
    percent: float | None
    """How much of a transfer right onto the claim is done, None before the worker says so."""
    news: Happening | None
    """The latest event about the claim itself."""
    refusal: Refusal | None
    """Why the API server would not make the claim, or its VolumeImportSource."""

    @property
    def storage_class(self) -> StorageClass | None:
        return self.offer.storage_class

    @property
    def defaults(self) -> Defaults:
        return self.offer.defaults

    @property
    def rendered_by_webhook(self) -> bool:
        """The user's label asks for it, and the installation does not say otherwise (spec 4.8)."""
        return self.defaults.webhook_rendering and self.volume.labels.get(names.APPLY_STORAGE_PROFILE) == "true"

    @property
    def populates(self) -> bool:
        """The flow through a hidden claim: as the claim was made, else as decided once, else as the class can (4.1)."""
        decided = self.volume.annotations.get(names.USE_POPULATOR)
        if self.own_claim is not None:
            return self.own_claim.annotations.get(names.USE_POPULATOR) == "true"
        if decided is not None:
            return decided == "true"
        return self.storage_class is not None and self.storage_class.has_driver

    @property
    def foreign(self) -> bool:
        """A claim of that name exists and is somebody else's."""
        return self.claim is not None and self.claim.owner_uid != self.volume.ref.uid

    @property
    def own_claim(self) -> Claim | None:
        return None if self.foreign else self.claim

    @property
    def waits_for_consumer(self) -> bool:
        """Nothing will bind the claim until a pod that uses it is scheduled, and nobody asked for more (spec 2.5)."""
        claim, kind = self.claim, self.storage_class
        if claim is None or kind is None or not kind.waits_for_consumer:
            return False
        if names.IMMEDIATE_BIND in claim.annotations:
            return False
        if self.populates:
            return names.SELECTED_NODE not in claim.annotations
        return self.defaults.honours_wait
