"""When a DataImportCron may be stored (spec 7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.apiserver.rules import datavolume
from cdi_operator.apiserver.rules.cause import Cause, Causes, immutable, too_long
from cdi_operator.apiserver.rules.unchanged import same_spec
from cdi_operator.flows.actions import Object
from cdi_operator.storage.names import MAX_LABEL
from cdi_operator.storage.schedules import is_schedule

NOT_FOR_A_TEMPLATE = ("sourceRef", "contentType", "checkpoints", "finalCheckpoint")


def created(cron: Object) -> Causes:
    yield from too_long(cron["metadata"].get("name") or "", MAX_LABEL, "")
    yield from spec(cron["spec"])


def updated(cron: Object, old: Object) -> Causes:
    if not same_spec(old["spec"], cron["spec"]):
        yield immutable("DataImportCron")


def spec(wanted: Mapping[str, Any]) -> Causes:
    template = (wanted.get("template") or {}).get("spec") or {}
    source = template.get("source") or {}
    if source.get("registry") is None and source.get("pvc") is None:
        yield Cause("Missing source", "spec.Template")
    if any(template.get(field) for field in NOT_FOR_A_TEMPLATE):
        yield Cause("Unsettable fields: SourceRef, ContentType, Checkpoints, FinalCheckpoint", "spec.Template")
    yield from datavolume.spec(template, "Template")
    schedule = wanted.get("schedule") or ""
    if schedule and not is_schedule(schedule):
        yield Cause("Illegal cron schedule", "spec.Schedule")
    if (wanted.get("importsToKeep") or 0) < 0:
        yield Cause("Illegal ImportsToKeep value", "spec.ImportsToKeep")
    if wanted.get("garbageCollect") not in (None, "Outdated", "Never"):
        yield Cause("Illegal GarbageCollect value", "spec.GarbageCollect")
    managed = wanted.get("managedDataSource") or ""
    if not managed:
        yield Cause("Illegal ManagedDataSource value", "spec.ManagedDataSource")
    yield from too_long(managed, MAX_LABEL, "spec.ManagedDataSource")
