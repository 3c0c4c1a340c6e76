"""What a DataVolume is refused for, in the words that clients read (spec 7.2): one row for each of them, and more."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.apiserver.rules import datavolume
from cdi_operator.apiserver.rules.cause import Cause
from cdi_operator.apiserver.rules.datavolume import Facts
from cdi_operator.flows.seen import claim
from tests.unit.flows.given import NAME, NS, having, noted, obj, owned_by

URL = "http://images.example.com/disk.qcow2"
PVC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
HTTP = {"http": {"url": URL}}
CLONE = {"pvc": {"namespace": "golden", "name": "debian"}}
LONG = "a" * 254
ON_ENGINE = {"url": "https://engine/api", "diskId": "1", "secretRef": "login", "certConfigMap": "ca"}
ON_VCENTER = {"url": "https://vc", "uuid": "u", "backingFile": "[a] b.vmdk", "thumbprint": "t", "secretRef": "login"}
SOMEBODYS = {"name": "theirs", "kind": "Populator", "apiGroup": "example.com"}


def asked(**spec):
    """A DataVolume that is in order but for what is given; None takes a field away."""
    made = {"source": HTTP, **({} if "storage" in spec else {"pvc": PVC}), **spec}
    spec = {field: value for field, value in made.items() if value is not None}
    return {"metadata": {"name": NAME, "namespace": NS}, "spec": spec}


def sized(size, **more):
    return {**PVC, "resources": {"requests": {"storage": size} if size is not None else {}}, **more}


def storage(size="1Gi", **more):
    return {"resources": {"requests": {"storage": size} if size is not None else {}}, **more}


def first(causes):
    return next(causes, None)


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
        ({"contentType": "invalid"}, "ContentType not one of: kubevirt, archive", "spec.contentType"),
        (
            {"source": {"blank": {}}, "contentType": "archive"},
            "SourceType cannot be blank and the contentType be archive",
            "spec.contentType",
        ),
        (
            {"source": {"registry": {"url": "docker://x"}}, "contentType": "archive"},
            "ContentType must be kubevirt when Source is Registry",
            "spec.contentType",
        ),
        # registry
        (
            {"source": {"registry": {}}},
            "Source registry should have either URL or ImageStream",
            "spec.source.Registry",
        ),
        (
            {"source": {"registry": {"url": "docker://x", "imageStream": "y"}}},
            "Source registry should have either URL or ImageStream",
            "spec.source.Registry",
        ),
        (
            {"source": {"registry": {"url": "docker://re gistry"}}},
            "Illegal registry source URL docker://re gistry",
            "spec.source.Registry.URL",
        ),
        (
            {"source": {"registry": {"url": "http://x/y"}}},
            "Illegal registry source URL scheme http://x/y",
            "spec.source.Registry.URL",
        ),
        (
            {"source": {"registry": {"url": "docker://x", "pullMethod": "cluster"}}},
            'ImportMethod cluster is neither pod, node or ""',
            "spec.source.Registry.importMethod",
        ),
        (
            {"source": {"registry": {"imageStream": "", "pullMethod": "node"}}},
            "Source registry ImageStream is not valid",
            "spec.source.Registry.importMethod",
        ),
        (
            {"source": {"registry": {"imageStream": "fedora"}}},
            "Source registry ImageStream is supported only with node pull import method",
            "spec.source.Registry.importMethod",
        ),
        # addresses
        ({"source": {"http": {"url": ""}}}, "spec.source source URL is empty", "spec.source.HTTP.url"),
        ({"source": {"s3": {"url": ""}}}, "spec.source source URL is empty", "spec.source.S3.url"),
        ({"source": {"gcs": {"url": ""}}}, "spec.source source URL is empty", "spec.source.GCS.url"),
        (
            {"source": {"imageio": {**ON_ENGINE, "url": ""}}},
            "spec.source source URL is empty",
            "spec.source.Imageio.url",
        ),
        ({"source": {"vddk": {}}}, "spec.source source URL is empty", "spec.source.VDDK.url"),
        (
            {"source": {"http": {"url": "invalidurl"}}},
            "spec.source Invalid source URL: invalidurl",
            "spec.source.HTTP.url",
        ),
        (
            {"source": {"http": {"url": "http://host:port/x"}}},
            "spec.source Invalid source URL: http://host:port/x",
            "spec.source.HTTP.url",
        ),
        (
            {"source": {"http": {"url": "http://host/100%"}}},
            "spec.source Invalid source URL: http://host/100%",
            "spec.source.HTTP.url",
        ),
        (
            {"source": {"http": {"url": "ftp://x/y"}}},
            "spec.source Invalid source URL scheme: ftp://x/y",
            "spec.source.HTTP.url",
        ),
        (
            {"source": {"s3": {"url": "/bucket/x"}}},
            "spec.source Invalid source URL scheme: /bucket/x",
            "spec.source.S3.url",
        ),
        (
            {"source": {"http": {"url": URL, "checksum": "abc"}}},
            "Invalid checksum format: 'abc' is not <algorithm>:<hex digits>",
            "spec.source.HTTP.checksum",
        ),
        (
            {"source": {"http": {"url": URL, "checksum": "crc:abc"}}},
            "Invalid checksum format: the algorithm 'crc' is none of md5, sha1, sha256, sha512",
            "spec.source.HTTP.checksum",
        ),
        (
            {"source": {"http": {"url": URL, "checksum": "md5:abc"}}},
            "Invalid checksum format: a md5 has 32 hex digits",
            "spec.source.HTTP.checksum",
        ),
        # the engines
        (
            {"source": {"imageio": {**ON_ENGINE, "secretRef": ""}}},
            "spec.source.Imageio source Imageio is not valid",
            "spec.source.Imageio",
        ),
        (
            {"source": {"imageio": {**ON_ENGINE, "diskId": ""}}},
            "spec.source.Imageio source Imageio is not valid",
            "spec.source.Imageio",
        ),
        (
            {"source": {"imageio": {**ON_ENGINE, "certConfigMap": ""}}},
            "spec.source.Imageio source Imageio requires CertConfigMap or InsecureSkipVerify",
            "spec.source.Imageio",
        ),
        *(
            (
                {"source": {"vddk": {**ON_VCENTER, missing: ""}}},
                "spec.source.VDDK source VDDK is not valid",
                "spec.source.VDDK",
            )
            for missing in ("secretRef", "uuid", "backingFile", "thumbprint")
        ),
        # clones
        (
            {"source": {"pvc": {"namespace": "", "name": "x"}}},
            "spec.source.PVC source PVC is not valid",
            "spec.source.PVC",
        ),
        (
            {"source": {"snapshot": {"namespace": "x", "name": ""}}},
            "spec.source.Snapshot source snapshot is not valid",
            "spec.source.Snapshot",
        ),
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
        {"source": {"blank": {}}},
        {"source": {"upload": {}}, "contentType": "archive"},
        {"contentType": "archive"},
        {"contentType": "kubevirt"},
        {"source": {"http": {"url": "HTTPS://host:443/a%20b?c=d"}}},
        {"source": {"gcs": {"url": "gs://bucket/disk"}}},
        {"source": {"http": {"url": URL, "checksum": "MD5:" + "aB" * 16}}},
        {"source": {"http": {"url": URL, "checksum": "sha256:" + "0" * 64}}},
        {"source": {"registry": {"url": "docker://quay.io/x/y:z"}}},
        {"source": {"registry": {"url": "oci-archive:image.tar", "pullMethod": ""}}},
        {"source": {"registry": {"imageStream": "fedora", "pullMethod": "node"}}},
        {"source": {"imageio": ON_ENGINE}},
        {"source": {"imageio": {**ON_ENGINE, "certConfigMap": "", "insecureSkipVerify": True}}},
        {"source": {"vddk": ON_VCENTER}},
        {"source": CLONE},
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
STAGES = {"checkpoints": [{"previous": "", "current": "one"}]}
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
