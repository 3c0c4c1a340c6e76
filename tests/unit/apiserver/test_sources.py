"""What a source of data is refused for, in the words that clients read (spec 7.2): one row for each, and more."""

import pytest

from cdi_operator.apiserver.rules import datavolume
from cdi_operator.apiserver.rules.cause import Cause
from cdi_operator.apiserver.rules.datavolume import Facts
from tests.unit.apiserver.asked import CLONE, ON_ENGINE, ON_VCENTER, URL, asked, first


@pytest.mark.parametrize(
    ("spec", "message", "field"),
    [
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
    assert first(datavolume.created(asked(**spec), Facts())) is None
