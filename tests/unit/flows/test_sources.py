"""Every field of every import source, as annotations of the claim (spec 3.1)."""

import pytest

from cdi_operator.flows.sources import import_annotations, import_kind

IMPORT = "cdi.kubevirt.io/storage.import."
POD = "cdi.kubevirt.io/storage.pod."


@pytest.mark.parametrize(
    ("source", "kind", "wanted"),
    [
        # source                                      its kind    annotations below storage.import
        ({"http": {"url": "http://a/d"}}, "http", {"source": "http", "endpoint": "http://a/d"}),
        ({"http": {"url": "u", "secretRef": "s"}}, "http", {"source": "http", "endpoint": "u", "secretName": "s"}),
        (
            {"http": {"url": "u", "certConfigMap": "c"}},
            "http",
            {"source": "http", "endpoint": "u", "certConfigMap": "c"},
        ),
        ({"http": {"url": "u", "checksum": "md5:0"}}, "http", {"source": "http", "endpoint": "u", "checksum": "md5:0"}),
        (
            {"http": {"url": "u", "insecureSkipVerify": True}},
            "http",
            {"source": "http", "endpoint": "u", "insecureSkipVerify": "true"},
        ),
        ({"http": {"url": "u", "insecureSkipVerify": False}}, "http", {"source": "http", "endpoint": "u"}),
        (
            {"http": {"url": "u", "extraHeaders": ["A: 1", "B: 2"], "secretExtraHeaders": ["t", "o"]}},
            "http",
            {
                "source": "http",
                "endpoint": "u",
                "extraHeaders.0": "A: 1",
                "extraHeaders.1": "B: 2",
                "secretExtraHeaders.0": "t",
                "secretExtraHeaders.1": "o",
            },
        ),
        (
            {"http": {"url": "u", "extraHeaders": None, "secretExtraHeaders": None, "secretRef": ""}},
            "http",
            {"source": "http", "endpoint": "u"},
        ),
        (
            {"s3": {"url": "https://s3/b/k", "secretRef": "s", "certConfigMap": "c"}},
            "s3",
            {"source": "s3", "endpoint": "https://s3/b/k", "secretName": "s", "certConfigMap": "c"},
        ),
        (
            {"gcs": {"url": "gs://b/o", "secretRef": "s"}},
            "gcs",
            {"source": "gcs", "endpoint": "gs://b/o", "secretName": "s"},
        ),
        ({"registry": {"url": "docker://r/d"}}, "registry", {"source": "registry", "endpoint": "docker://r/d"}),
        (
            {"registry": {"url": "docker://r/d", "pullMethod": "pod", "secretRef": "s", "certConfigMap": "c"}},
            "registry",
            {
                "source": "registry",
                "endpoint": "docker://r/d",
                "registryImportMethod": "pod",
                "secretName": "s",
                "certConfigMap": "c",
            },
        ),
        (
            {"registry": {"url": "docker://r/d", "pullMethod": "node", "platform": {"architecture": "arm64"}}},
            "registry",
            {
                "source": "registry",
                "endpoint": "docker://r/d",
                "registryImportMethod": "node",
                "registryImageArchitecture": "arm64",
            },
        ),
        (
            {"registry": {"url": "docker://r/d", "platform": {}, "pullMethod": ""}},
            "registry",
            {"source": "registry", "endpoint": "docker://r/d"},
        ),
        (
            {"registry": {"imageStream": "fedora:40", "pullMethod": "node"}},
            "registry",
            {
                "source": "registry",
                "endpoint": "fedora:40",
                "registryImageStream": "true",
                "registryImportMethod": "node",
            },
        ),
        (
            {"registry": {"url": "docker://r/d", "imageStream": "fedora"}},
            "registry",
            {"source": "registry", "endpoint": "docker://r/d"},
        ),
        (
            {"imageio": {"url": "u", "diskId": "d", "secretRef": "s", "certConfigMap": "c"}},
            "imageio",
            {"source": "imageio", "endpoint": "u", "diskId": "d", "secretName": "s", "certConfigMap": "c"},
        ),
        (
            {"imageio": {"url": "u", "diskId": "d", "insecureSkipVerify": True}},
            "imageio",
            {"source": "imageio", "endpoint": "u", "diskId": "d", "insecureSkipVerify": "true"},
        ),
        (
            {
                "vddk": {
                    "url": "https://vcenter",
                    "uuid": "1-2",
                    "backingFile": "[iscsi] vm/vm.vmdk",
                    "thumbprint": "aa:bb",
                    "secretRef": "s",
                    "certConfigMap": "c",
                }
            },
            "vddk",
            {
                "source": "vddk",
                "endpoint": "https://vcenter",
                "uuid": "1-2",
                "backingFile": "[iscsi] vm/vm.vmdk",
                "vddk.thumbprint": "aa:bb",
                "secretName": "s",
                "certConfigMap": "c",
            },
        ),
        ({"blank": {}}, "blank", {"source": "none"}),
        ({"blank": None}, "blank", {"source": "none"}),
        ({"upload": {}}, None, {}),
        ({"pvc": {"namespace": "n", "name": "m"}}, None, {}),
        ({}, None, {}),
    ],
)
def test_annotations(source, kind, wanted):
    assert import_kind(source) == kind
    assert import_annotations(source) == {f"{IMPORT}{key}": value for key, value in wanted.items()}


def test_the_library_of_vmware():
    vddk = {"vddk": {"url": "u", "initImageURL": "vddk:8", "extraArgs": "settings"}}
    said = import_annotations(vddk)
    assert (said[f"{POD}vddk.initimageurl"], said[f"{POD}vddk.extraargs"]) == ("vddk:8", "settings")
