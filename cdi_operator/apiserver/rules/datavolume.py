"""When a DataVolume may be stored (spec 7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.apiserver.rules import claims, sources
from cdi_operator.apiserver.rules.cause import Cause, Causes, immutable, too_long
from cdi_operator.apiserver.rules.unchanged import same_but_for_stages, same_spec
from cdi_operator.flows.actions import Object
from cdi_operator.flows.datavolume.state import may_be_had
from cdi_operator.flows.seen import Claim
from cdi_operator.storage.names import MAX_NAME


@dataclass(frozen=True)
class Facts:
    """What the cluster has that decides about a new DataVolume."""

    claim: Claim | None = None
    """The claim of its name."""
    claim_kind: str = ""
    """Kind of that claim's controlling owner."""
    adopts: bool = False
    """The feature gate DataVolumeClaimAdoption."""


def created(volume: Object, facts: Facts) -> Causes:
    meta = volume["metadata"]
    name, annotations = meta.get("name") or "", meta.get("annotations") or {}
    yield from too_long(name, MAX_NAME, "")
    claim = facts.claim
    if (
        claim is not None
        and facts.claim_kind != "DataVolume"
        and not may_be_had(claim, name, annotations, facts.adopts)
    ):
        text = f"Destination PVC {claim.ref.namespace}/{claim.name} already exists"
        yield Cause(text, "DataVolume.Name", "FieldValueDuplicate")
    yield from spec(volume["spec"], "spec")


def updated(volume: Object, old: Object) -> Causes:
    """What did not change was looked at when it was stored, maybe by an older release: it stays, whatever we think of
    it today, or nobody could label it or remove its finalizers.
    """
    if same_spec(old["spec"], volume["spec"]):
        return
    if not same_but_for_stages(old["spec"], volume["spec"]):
        yield immutable("DataVolume")
    yield from spec(volume["spec"], "spec")


def spec(wanted: Mapping[str, Any], path: str) -> Causes:
    """Of a DataVolume (`path` is `spec`), or of the template of a DataImportCron (`Template`)."""
    yield from claims.one_claim(wanted, path)
    yield from claims.wanted_claim(wanted, path)
    if claims.externally_populated(wanted):
        yield from claims.external_population(wanted, path)
        return
    source, reference = wanted.get("source"), wanted.get("sourceRef")
    if (source is None) == (reference is None):
        text = "Data volume should have either Source or SourceRef, or be externally populated"
        yield Cause(text, f"{path}.source")
    elif reference is not None:
        yield from source_ref(reference, f"{path}.sourceRef")
    else:
        content = wanted.get("contentType") or ""
        yield from one_source(source or {}, "Data volume", f"{path}.source")
        yield from sources.content_type(content, path)
        yield from sources.source(source or {}, content, path)


def one_source(source: Mapping[str, Any], what: str, field: str) -> Causes:
    count = len(sources.members(source))
    if count == 0:
        yield Cause(f"Missing {what} source", field)
    elif count > 1:
        yield Cause(f"Multiple {what} sources", field)


def source_ref(reference: Mapping[str, Any], field: str) -> Causes:
    kind = reference.get("kind")
    if not kind:
        yield Cause("Missing sourceRef kind", f"{field}.Kind")
    elif kind != "DataSource":
        yield Cause(f"Unsupported sourceRef kind {kind}, currently only DataSource is supported", f"{field}.Kind")
    elif not reference.get("name"):
        yield Cause("Missing sourceRef name", f"{field}.Name")
