"""What a DataVolume is refused for, in words that clients read (spec 7.2): its claim, its references, its changes."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.apiserver.rules import datavolume
from cdi_operator.apiserver.rules.cause import Cause
from cdi_operator.apiserver.rules.datavolume import Facts
from cdi_operator.flows.seen import claim
from tests.unit.apiserver.asked import (
    CLONE,
    LONG,
    ON_ENGINE,
    ON_VCENTER,
    PVC,
    SOMEBODYS,
    STAGES,
    URL,
    asked,
    first,
    sized,
    storage,
)
from tests.unit.flows.given import NAME, NS, having, noted, obj, owned_by


def complaint(volume, facts=Facts()):  # noqa: B008 - a value
    found = first(datavolume.created(volume, facts))
    return found and found.message


@pytest.mark.parametrize(
    ("spec", "message", "field"),
    [
        # the claim
        ({"pvc": None}, "Missing Data volume PVC", "spec.PVC"),
        (
            {"storage": storage(), "pvc": PVC},
            "Duplicate storage definition, both target storage and target pvc defined",
            "spec.PVC.Storage",
        ),
        ({"pvc": sized("0")}, "PVC size can't be equal or less than zero", "spec.PVC.resources.requests.size"),
        ({"pvc": sized("-1Gi")}, "PVC size can't be equal or less than zero", "spec.PVC.resources.requests.size"),
        ({"pvc": sized(0)}, "PVC size can't be equal or less than zero", "spec.PVC.resources.requests.size"),
        (
            {"storage": storage("0")},
            "Storage size can't be equal or less than zero",
            "spec.Storage.resources.requests.size",
        ),
        ({"pvc": sized("1023Ki")}, "PVC size should be at least 1MiB", "spec.PVC.resources.requests.size"),
        ({"pvc": sized("1m")}, "PVC size should be at least 1MiB", "spec.PVC.resources.requests.size"),
        ({"storage": storage("500")}, "Storage size should be at least 1MiB", "spec.Storage.resources.requests.size"),
        ({"pvc": sized(None)}, "PVC size is missing", "spec.PVC.resources.requests.size"),
        ({"pvc": {"accessModes": ["ReadWriteOnce"]}}, "PVC size is missing", "spec.PVC.resources.requests.size"),
        ({"pvc": sized(None), "source": CLONE}, "PVC size is missing", "spec.PVC.resources.requests.size"),
        ({"storage": storage(None)}, "Storage size is missing", "spec.Storage.resources.requests.size"),
        (
            {"pvc": sized("1Gi", storageClassName=LONG)},
            "Name cannot be longer than 253 characters",
            "spec.PVC.storageClassName",
        ),
        (
            {"storage": storage(storageClassName=LONG)},
            "Name cannot be longer than 253 characters",
            "spec.Storage.storageClassName",
        ),
        (
            {"pvc": {**PVC, "accessModes": []}},
            "Required value: at least 1 access mode is required",
            "spec.PVC.accessModes",
        ),
        (
            {"pvc": {**PVC, "accessModes": ["ReadWriteOnce", "ReadWriteMany"]}},
            "PVC multiple accessModes",
            "spec.PVC.accessModes",
        ),
        (
            {"pvc": {**PVC, "accessModes": ["ReadMyLips"]}},
            'Unsupported value: "ReadMyLips": supported values: '
            '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
            "spec.PVC.accessModes",
        ),
        # somebody else fills it
        (
            {"pvc": {**PVC, "dataSourceRef": SOMEBODYS}},
            "External population is incompatible with Source and SourceRef",
            "spec.source",
        ),
        (
            {"pvc": {**PVC, "dataSource": SOMEBODYS}, "source": None, "sourceRef": {"kind": "DataSource", "name": "d"}},
            "External population is incompatible with Source and SourceRef",
            "spec.source",
        ),
        (
            {"pvc": {**PVC, "dataSource": SOMEBODYS, "dataSourceRef": SOMEBODYS}, "source": None},
            "DataSourceRef and DataSource must match",
            "",
        ),
        (
            {"pvc": {**PVC, "dataSource": {**SOMEBODYS, "name": ""}}, "source": None},
            "Required value: DataSource name",
            "spec.dataSource.name",
        ),
        (
            {"pvc": {**PVC, "dataSource": {**SOMEBODYS, "kind": ""}}, "source": None},
            "Required value: DataSource kind",
            "spec.dataSource.kind",
        ),
        (
            {"pvc": {**PVC, "dataSource": {"name": "x", "kind": "VolumeSnapshot"}}, "source": None},
            "Required value: DataSource apiGroup when kind is not 'PersistentVolumeClaim'",
            "spec.dataSource.apiGroup",
        ),
        (
            {"storage": storage(dataSourceRef={"kind": "Populator", "apiGroup": "example.com"}), "source": None},
            "Required value: DataSourceRef name",
            "spec.dataSourceRef.name",
        ),
        (
            {"storage": storage(dataSourceRef={"name": "x", "apiGroup": "example.com"}), "source": None},
            "Required value: DataSourceRef kind",
            "spec.dataSourceRef.kind",
        ),
        (
            {"storage": storage(dataSourceRef={"name": "x", "kind": "Populator"}), "source": None},
            "Required value: DataSourceRef apiGroup when kind is not 'PersistentVolumeClaim'",
            "spec.dataSourceRef.apiGroup",
        ),
        (
            {"pvc": {**PVC, "dataSourceRef": {**SOMEBODYS, "namespace": "there"}}, "source": None},
            "Invalid value: DataSourceRef namespace not supported",
            "spec.dataSourceRef.namespace",
        ),
        # source or sourceRef
        (
            {"source": None},
            "Data volume should have either Source or SourceRef, or be externally populated",
            "spec.source",
        ),
        (
            {"sourceRef": {"kind": "DataSource", "name": "d"}},
            "Data volume should have either Source or SourceRef, or be externally populated",
            "spec.source",
        ),
        ({"source": None, "sourceRef": {"kind": "", "name": "d"}}, "Missing sourceRef kind", "spec.sourceRef.Kind"),
        (
            {"source": None, "sourceRef": {"kind": "Image", "name": "d"}},
            "Unsupported sourceRef kind Image, currently only DataSource is supported",
            "spec.sourceRef.Kind",
        ),
        (
            {"source": None, "sourceRef": {"kind": "DataSource", "name": ""}},
            "Missing sourceRef name",
            "spec.sourceRef.Name",
        ),
        ({"source": {}}, "Missing Data volume source", "spec.source"),
        ({"source": {"http": None}}, "Missing Data volume source", "spec.source"),
        ({"source": {"blank": {}, "upload": {}}}, "Multiple Data volume sources", "spec.source"),
    ],
)
def test_refused(spec, message, field):
    assert first(datavolume.created(asked(**spec), Facts())) == Cause(message, field, "FieldValueInvalid")


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"pvc": sized("1Mi")},
        {"pvc": sized(1 << 30)},
        {"pvc": {**PVC, "accessModes": ["ReadWriteOncePod"]}},
        {"storage": storage()},
        {"storage": storage(None), "source": CLONE},
        {"storage": {}, "source": {"snapshot": {"namespace": "golden", "name": "debian"}}},
        {"storage": storage(None), "source": None, "sourceRef": {"kind": "DataSource", "name": "d"}},
        {"pvc": {**PVC, "dataSourceRef": SOMEBODYS}, "source": None},
        {"pvc": {**PVC, "dataSource": {"name": "x", "kind": "PersistentVolumeClaim"}}, "source": None},
    ],
)
def test_in_order(spec):
    assert complaint(asked(**spec)) is None


def test_a_long_name():
    assert complaint(having(asked(), metadata={"name": LONG})) == "Name cannot be longer than 253 characters"


# A claim of its name -------------------------------------------------------------------------------------------------


THERE = obj("PersistentVolumeClaim", NAME, spec=PVC)
OF_A_VOLUME = owned_by(THERE, "DataVolume", "another", "uid-other")
OF_A_VM = owned_by(THERE, "VirtualMachine", "vm", "uid-vm")
ADOPTS, REFUSES = {names.ALLOW_CLAIM_ADOPTION: "true"}, {names.ALLOW_CLAIM_ADOPTION: "false"}
EXISTS = Cause(f"Destination PVC {NS}/{NAME} already exists", "DataVolume.Name", "FieldValueDuplicate")


@pytest.mark.parametrize(
    ("found", "owner", "annotations", "gate", "wanted"),
    [
        # claim      owner              on the DataVolume  gate   -> refused
        (THERE, "", {}, False, EXISTS),
        (OF_A_VM, "VirtualMachine", {}, False, EXISTS),
        (OF_A_VOLUME, "DataVolume", {}, False, None),
        (THERE, "", {}, True, None),
        (THERE, "", ADOPTS, False, None),
        (THERE, "", REFUSES, True, EXISTS),
        (noted(THERE, {names.POPULATED_FOR: NAME}), "", REFUSES, False, None),
        (noted(THERE, {names.POPULATED_FOR: "another"}), "", {}, False, EXISTS),
    ],
)
def test_a_claim_is_there(found, owner, annotations, gate, wanted):
    volume = having(asked(), metadata={"annotations": annotations})
    assert first(datavolume.created(volume, Facts(claim(found), owner, gate))) == wanted


# Changes -------------------------------------------------------------------------------------------------------------

CHANGED = Cause("Cannot update DataVolume Spec", "DataVolume.Spec", "FieldValueDuplicate")
MORE = {"checkpoints": [*STAGES["checkpoints"], {"previous": "one", "current": "two"}], "finalCheckpoint": True}
VDDK, IMAGEIO = {"source": {"vddk": ON_VCENTER}}, {"source": {"imageio": ON_ENGINE}}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({}, {}, None),
        ({}, {"source": {"http": {"url": "http://elsewhere"}}}, CHANGED),
        ({}, {"pvc": sized("2Gi")}, CHANGED),
        ({}, {"preallocation": False}, CHANGED),
        ({}, {"source": {"blank": {}}}, CHANGED),
        ({"pvc": sized("1Gi", storageClassName="")}, {"pvc": sized("1Gi")}, CHANGED),
        # as clients in Go write what they have read
        ({"pvc": sized("1024Mi")}, {"pvc": sized("1Gi")}, None),
        ({}, {"finalCheckpoint": False, "checkpoints": [], "contentType": ""}, None),
        ({"storage": {}, "source": CLONE}, {"storage": {"resources": {}}, "source": CLONE}, None),
        ({}, {"source": {"http": {"url": URL, "secretRef": ""}}}, None),
        # warm imports
        ({**VDDK, **STAGES}, {**VDDK, **MORE}, None),
        ({**IMAGEIO, **STAGES}, {**IMAGEIO, **MORE}, None),
        (VDDK, {**VDDK, **STAGES}, None),
        ({**VDDK, **STAGES}, VDDK, CHANGED),
        (STAGES, MORE, CHANGED),
        ({**VDDK, **STAGES}, {**VDDK, **MORE, "pvc": sized("2Gi")}, CHANGED),
        # stored before anybody looked: it can still be labelled, and lose its finalizers
        ({"source": {}}, {"source": {}}, None),
    ],
)
def test_changed(old, new, wanted):
    assert first(datavolume.updated(asked(**new), asked(**old))) == wanted
