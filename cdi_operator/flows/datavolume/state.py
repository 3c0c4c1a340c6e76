"""What the DataVolume flow knows about one DataVolume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Ref
from cdi_operator.flows.defaults import Defaults
from cdi_operator.flows.rendering import FreeVolume, Offer
from cdi_operator.flows.seen import Claim, Happening, StorageClass, affirmed
from cdi_operator.flows.sources import import_kind
from cdi_operator.flows.transfer import Reading, Transfer, noted, shown
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
    def asked_claim(self) -> Mapping[str, Any]:
        """The claim as the user asks for it, literally or in short."""
        return self.spec.get("pvc") or self.spec.get("storage") or {}

    @property
    def external_source(self) -> Mapping[str, Any] | None:
        """What somebody else's populator, or the storage itself, fills the claim from; None when we do (spec 1.1)."""
        if self.spec.get("source") is not None or self.spec.get("sourceRef") is not None:
            return None
        return self.asked_claim.get("dataSourceRef") or self.asked_claim.get("dataSource")

    @property
    def content_type(self) -> str:
        return self.spec.get("contentType") or "kubevirt"

    @property
    def pre_populated(self) -> bool:
        """Its claim was filled before it came here, and is never made anew (spec 2.2 step 10)."""
        return names.PRE_POPULATED in self.annotations


def may_be_had(claim: Claim, name: str, annotations: Mapping[str, str], gate: bool) -> bool:
    """Whether a DataVolume of this name and with these annotations takes a claim as it is that was there before it.

    `gate`: the feature gate DataVolumeClaimAdoption (spec 2.6).
    """
    if claim.annotations.get(names.POPULATED_FOR) == name:
        return True
    allowed = annotations.get(names.ALLOW_CLAIM_ADOPTION)
    return gate if allowed is None else affirmed(allowed)


@dataclass(frozen=True)
class State:
    volume: DataVolume
    claim: Claim | None
    prime: Claim | None
    """The hidden claim, while the population is on its way."""
    source: Mapping[str, Any] | None
    """Spec of the VolumeImportSource of this DataVolume, None while there is none."""
    offer: Offer
    """What the cluster has of the class that the claim names, or of the default for a claim that names none."""
    reserved_volumes: tuple[FreeVolume, ...]
    """The available volumes that name the claim as the one that they are for."""
    reading: Reading | None
    """What the worker that writes right onto the claim tells while it runs."""
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
            return affirmed(decided)
        return self.storage_class is not None and self.storage_class.has_driver

    @property
    def needs_work(self) -> bool:
        """False for a claim that is taken as it is: filled for this DataVolume elsewhere, or adopted (spec 2.6)."""
        claim, volume = self.claim, self.volume
        if claim is None:
            return True
        if self.made_here:
            return claim.annotations.get(names.POPULATED_FOR) != volume.ref.name
        return not may_be_had(claim, volume.ref.name, volume.annotations, self.defaults.adopts_claims)

    @property
    def made_here(self) -> bool:
        """The claim was made by us, for this very DataVolume."""
        made_for = self.claim.annotations.get(names.CREATED_FOR_DATA_VOLUME) if self.claim else None
        return made_for == self.volume.ref.uid

    @property
    def foreign(self) -> bool:
        """A claim of that name exists, is somebody else's, and is not to be had."""
        claim = self.claim
        if claim is None or claim.owner_uid == self.volume.ref.uid:
            return False
        return bool(claim.owner_uid) or self.needs_work

    @property
    def reserved(self) -> bool:
        """The claim waits for one of the volumes that were made for it, with what is on them (spec 2.2 step 6)."""
        return self.claim is not None and names.PERSISTENT_VOLUME_LIST in self.claim.annotations

    @property
    def own_claim(self) -> Claim | None:
        return None if self.foreign else self.claim

    @cached_property
    def transfer(self) -> Transfer:
        """How the transfer goes: as the claim says, put together here where the work is right on it."""
        told = noted(self.own_claim)
        if self.populates or self.own_claim is None:
            return told
        before = Transfer.from_json(self.volume.status.get("transfer"))
        return shown(told, before, self.reading.transfer if self.reading else None)

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
