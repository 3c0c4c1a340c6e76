"""The models read what the API has and write it back unchanged."""

import pytest
from pydantic import ValidationError

from cdi_operator.api.cdi import CDI
from cdi_operator.api.cdiconfig import CDIConfig
from cdi_operator.api.dataimportcron import DataImportCron
from cdi_operator.api.datavolume import DataVolume, DataVolumeSource, DataVolumeSpec
from cdi_operator.api.forklift import OvirtVolumePopulator
from cdi_operator.api.model import ObjectMeta
from cdi_operator.api.sources import HTTPSource
from cdi_operator.api.uploadtokenrequest import UploadTokenRequest

VOLUME = {
    "apiVersion": "cdi.kubevirt.io/v1beta1",
    "kind": "DataVolume",
    "metadata": {"name": "disk", "namespace": "ns", "creationTimestamp": "2025-06-01T12:00:00Z", "labels": {"a": "b"}},
    "spec": {
        "source": {"http": {"url": "http://x/y", "secretExtraHeaders": ["s"], "insecureSkipVerify": False}},
        "storage": {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": []},
        "checkpoints": [{"previous": "", "current": "one"}],
    },
    "status": {"phase": "Succeeded", "restartCount": 0},
}


@pytest.mark.parametrize(
    ("model", "obj"),
    [
        (DataVolume, VOLUME),
        (DataVolume, {**VOLUME, "spec": {"source": {"vddk": {"initImageURL": "i", "backingFile": "f"}, "upload": {}}}}),
        (DataVolume, {**VOLUME, "spec": {"pvc": {"resources": {"requests": {"storage": 1073741824}}}}}),
        (
            CDIConfig,
            {
                "apiVersion": "cdi.kubevirt.io/v1beta1",
                "kind": "CDIConfig",
                "metadata": {"name": "config"},
                "spec": {
                    "uploadProxyURLOverride": "u",
                    "importProxy": {"HTTPProxy": "p", "HTTPSProxy": "q", "noProxy": "n", "trustedCAProxy": "c"},
                    "filesystemOverhead": {"global": "0.1", "storageClass": {"local": "0.2"}},
                    "dataVolumeTTLSeconds": 3,
                    "tlsSecurityProfile": {"custom": {"ciphers": ["c"], "minTLSVersion": "VersionTLS12"}},
                },
                "status": {"uploadProxyURL": "u", "uploadProxyCA": "ca"},
            },
        ),
        (
            CDI,
            {
                "apiVersion": "cdi.kubevirt.io/v1beta1",
                "kind": "CDI",
                "metadata": {"name": "cdi"},
                "spec": {
                    "infra": {"apiServerReplicas": 2, "tolerations": [{"key": "k", "operator": "Exists"}]},
                    "customizeComponents": {"flags": {"uploadProxy": {"v": "5"}}},
                    "certConfig": {"ca": {"renewBefore": "1h"}},
                },
            },
        ),
        (
            DataImportCron,
            {
                "apiVersion": "cdi.kubevirt.io/v1beta1",
                "kind": "DataImportCron",
                "metadata": {"name": "fedora", "namespace": "ns"},
                "spec": {"template": {"metadata": {}, "spec": {}}, "schedule": "", "managedDataSource": "fedora"},
                "status": {
                    "currentImports": [{"DataVolumeName": "d", "Digest": "sha256:1"}],
                    "lastImportedPVC": {"namespace": "ns", "name": "d"},
                    "lastImportTimestamp": "2025-06-01T12:00:00Z",
                },
            },
        ),
        (
            OvirtVolumePopulator,
            {
                "apiVersion": "forklift.cdi.kubevirt.io/v1beta1",
                "kind": "OvirtVolumePopulator",
                "metadata": {"name": "p"},
                "spec": {"engineUrl": "u", "secretRef": "s", "diskId": "d"},
            },
        ),
        (
            UploadTokenRequest,
            {
                "apiVersion": "upload.cdi.kubevirt.io/v1beta1",
                "kind": "UploadTokenRequest",
                "metadata": {"name": "t", "namespace": "ns"},
                "spec": {"pvcName": "disk"},
                "status": {"token": "abc"},
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_round_trip(model, obj):
    assert model.from_json(obj).to_json() == obj


def test_unknown_fields_are_ignored():
    grown = {**VOLUME, "spec": {**VOLUME["spec"], "fieldOfTomorrow": 1}}
    assert DataVolume.from_json(grown).to_json() == VOLUME


def test_made_in_python():
    made = DataVolume(
        metadata=ObjectMeta(name="disk"),
        spec=DataVolumeSpec(source=DataVolumeSource(http=HTTPSource(url="http://x/y")), preallocation=None),
    )
    assert made.to_json() == {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": "disk"},
        "spec": {"source": {"http": {"url": "http://x/y"}}},
    }


def test_values_do_not_change():
    volume = DataVolume.from_json(VOLUME)
    with pytest.raises(ValidationError):
        volume.spec.content_type = "archive"


@pytest.mark.parametrize("spec", [None, {"contentType": "tar"}, {"source": {"http": {}}}])
def test_not_a_data_volume(spec):
    with pytest.raises(ValidationError):
        DataVolume.from_json({**VOLUME, "spec": spec})
