"""The job of the importer pod (importer_image.job): every annotation that says what to import (spec 3.1)."""

import pytest

from cdi_operator.api import annotations as names
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI_WAITS,
    LOCAL,
    PRIME_KEY,
    URL,
    VOLUME_UID,
    config,
    having,
    legacy,
    noted,
    prime,
    target,
)
from tests.unit.flows.importer.pods import job, legacy_pod, made, prime_pod

HEADERS = {f"{names.EXTRA_HEADERS}.{number}": f"X-{number}: v" for number in (0, 10, 2)}


def of(source, **more):
    """Annotations of a claim, by the last part of their names."""
    return {names.SOURCE: source, **{f"cdi.kubevirt.io/storage.import.{key}": value for key, value in more.items()}}


NODE_PULL = of("registry", endpoint="docker://r.example.com/disk:1", registryImportMethod="node")


@pytest.mark.parametrize(
    ("annotations", "field", "wanted"),
    [
        ({}, "kind", "http"),
        ({}, "url", URL),
        ({names.SOURCE: None}, "kind", "http"),
        ({names.SOURCE: "whatever"}, "kind", "http"),
        (of("s3"), "kind", "s3"),
        (of("s3", endpoint="https://s3.example.com/b/k"), "url", "https://s3.example.com/b/k"),
        (of("gcs"), "kind", "gcs"),
        (of("gcs", endpoint="gs://bucket/object"), "url", "gs://bucket/object"),
        (of("registry"), "kind", "registry"),
        (of("registry", endpoint="docker://r.example.com/disk:1"), "url", "docker://r.example.com/disk:1"),
        (of("registry", registryImportMethod="pod"), "kind", "registry"),
        (of("registry", registryImageArchitecture="arm64"), "platform_architecture", "arm64"),
        (of("registry"), "platform_architecture", ""),
        (NODE_PULL, "kind", "mounted"),
        (NODE_PULL, "url", "/image"),
        ({**NODE_PULL, names.CHECKSUM: "md5:00"}, "checksum", ""),
        (of("http", registryImportMethod="node"), "kind", "http"),
        (of("imageio"), "kind", "imageio"),
        (of("imageio", diskId="d-1"), "disk_id", "d-1"),
        (of("imageio"), "disk_id", ""),
        (of("none", endpoint=None), "kind", "blank"),
        (of("none", endpoint=None), "url", ""),
        (HEADERS, "headers", ("X-0: v", "X-2: v", "X-10: v")),
        ({}, "headers", ()),
        ({names.CHECKSUM: "md5:00"}, "checksum", "md5:00"),
        ({}, "checksum", ""),
    ],
)
def test_source(annotations, field, wanted):
    assert getattr(job(legacy_pod(annotations)).source, field) == wanted


INSECURE = ("r.example.com:5000", "plain.example.com")


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        (of("http"), False),
        (of("http", insecureSkipVerify="true"), True),
        (of("http", insecureSkipVerify="false"), False),
        (of("http", insecureSkipVerify=""), False),
        (of("imageio", insecureSkipVerify="true"), True),
        # only these two have the field
        (of("s3", insecureSkipVerify="true"), False),
        (of("gcs", insecureSkipVerify="true"), False),
        (of("registry", insecureSkipVerify="true"), False),
        # registries: as the installation says, by host and port exactly
        (of("registry", endpoint="docker://r.example.com:5000/disk:1"), True),
        (of("registry", endpoint="docker://plain.example.com/a/disk@sha256:00"), True),
        (of("registry", endpoint="docker://r.example.com/disk:1"), False),
        (of("registry", endpoint="docker://plain.example.com:443/disk:1"), False),
        (of("registry", endpoint="docker://other.r.example.com:5000/disk"), False),
        (of("registry", endpoint="oci-archive:/r.example.com:5000"), False),
        (of("registry", endpoint="docker://[broken/disk"), False),
        (of("http", endpoint="https://plain.example.com/disk"), False),
    ],
)
def test_any_certificate_will_do(annotations, wanted):
    allowed = having(config(), spec={"insecureRegistries": list(INSECURE)})
    pod = made(*LOCAL, allowed, legacy("Bound", annotations))
    assert job(pod).source.insecure == wanted


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({}, "kubevirt"),
        ({names.CONTENT_TYPE: "kubevirt"}, "kubevirt"),
        ({names.CONTENT_TYPE: ""}, "kubevirt"),
        ({names.CONTENT_TYPE: "odd"}, "kubevirt"),
        ({names.CONTENT_TYPE: "archive"}, "archive"),
        ({names.CONTENT_TYPE: "archive", **of("s3")}, "archive"),
    ],
)
def test_content(annotations, wanted):
    assert job(legacy_pod(annotations)).content_type == wanted


@pytest.mark.parametrize(
    ("mode", "annotations", "wanted"),
    [
        ("Filesystem", {}, ("/data", "Filesystem", 1 << 30, "0.06", False)),
        ("Block", {}, ("/dev/cdi-block-volume", "Block", 1 << 30, "0", False)),
        ("Filesystem", {names.PREALLOCATION_REQUESTED: "true"}, ("/data", "Filesystem", 1 << 30, "0.06", True)),
    ],
)
def test_target(mode, annotations, wanted):
    to = job(legacy_pod(annotations, spec={"volumeMode": mode})).target
    assert (to.path, to.volume_mode, to.size_bytes, to.overhead, to.preallocate) == wanted


@pytest.mark.parametrize(
    ("overhead", "wanted"),
    [
        ({"global": "0.1"}, "0.1"),
        ({"global": "0.1", "storageClass": {"csi": "0.25"}}, "0.25"),
        ({"global": "0.1", "storageClass": {"other": "0.25"}}, "0.1"),
    ],
)
def test_overhead_of_the_class(overhead, wanted):
    pod = made(*LOCAL, config(filesystemOverhead=overhead), legacy("Bound"))
    assert job(pod).target.overhead == wanted


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        (legacy_pod(), VOLUME_UID),
        (prime_pod(), VOLUME_UID),
        (legacy_pod(metadata={"ownerReferences": None}), CLAIM_UID),
        (made(*CSI_WAITS, having(target(), metadata={"ownerReferences": None}), prime(), key=PRIME_KEY), CLAIM_UID),
    ],
    ids=["DataVolume", "populator", "claim by hand", "populator of a claim by hand"],
)
def test_owner_in_the_progress_metric(pod, wanted):
    assert job(pod).owner_uid == wanted


def test_a_claim_made_by_hand_needs_only_the_endpoint():
    hand_made = having(noted(legacy("Bound"), {names.SOURCE: None}), metadata={"ownerReferences": None})
    assert job(made(*LOCAL, hand_made)).source.url == URL
