"""When a VolumeImportSource or a VolumeUploadSource may be stored (spec 7.3). A VolumeCloneSource always may."""

from __future__ import annotations

from cdi_operator.apiserver.rules import sources
from cdi_operator.apiserver.rules.cause import Cause, Causes, immutable, too_long
from cdi_operator.apiserver.rules.datavolume import one_source
from cdi_operator.apiserver.rules.unchanged import same_but_for_stages, same_spec
from cdi_operator.flows.actions import Object
from cdi_operator.storage.names import MAX_LABEL


def import_source_created(made: Object) -> Causes:
    yield from too_long(made["metadata"].get("name") or "", MAX_LABEL, "")
    yield from import_source(made)


def import_source_updated(made: Object, old: Object) -> Causes:
    if same_spec(old["spec"], made["spec"]):
        return
    if not same_but_for_stages(old["spec"], made["spec"]):
        yield immutable("VolumeImportSource")
    yield from import_source(made)


def import_source(made: Object) -> Causes:
    spec = made["spec"]
    source, content = spec.get("source") or {}, spec.get("contentType") or ""
    yield from sources.content_type(content, "spec")
    yield from one_source(source, "VolumeImport", "spec.source")
    yield from sources.source(source, content, "spec")
    if spec.get("checkpoints") and not spec.get("targetClaim"):
        text = "Unable to do multi-stage import without specifying a target claim"
        yield Cause(text, "spec.targetClaim")


def upload_source_created(made: Object) -> Causes:
    yield from sources.content_type(made["spec"].get("contentType") or "", "spec")


def upload_source_updated(made: Object, old: Object) -> Causes:
    if not same_spec(old["spec"], made["spec"]):
        yield immutable("VolumeUploadSource")
