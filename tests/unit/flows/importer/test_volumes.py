"""What the importer pod has mounted (spec 3.4): the volume to fill; secrets and certificates of the source."""

import pytest

from cdi_operator.api import annotations as names
from tests.unit.flows.given import NAME
from tests.unit.flows.importer.pods import job, legacy_pod

SECRET = {names.SECRET_NAME: "login"}
CERTS = {names.CERT_CONFIG_MAP: "ca"}
HEADERS = {f"{names.SECRET_EXTRA_HEADERS}.{number}": name for number, name in enumerate(("token", "other"))}


def secret(name):
    return {"secret": {"secretName": name, "optional": True}}


def test_block_volume():
    pod = legacy_pod(spec={"volumeMode": "Block"})
    (container,) = pod["spec"]["containers"]
    assert container["volumeDevices"] == [{"name": "cdi-data-vol", "devicePath": "/dev/cdi-block-volume"}]
    assert container["volumeMounts"] == [{"name": "cdi-journal-vol", "mountPath": "/journal"}]
    assert pod["spec"]["volumes"] == [
        {"name": "cdi-data-vol", "persistentVolumeClaim": {"claimName": NAME}},
        {"name": "cdi-journal-vol", "emptyDir": {"sizeLimit": "16Mi"}},
    ]
    assert job(pod).target.journal_dir == "/journal"


@pytest.mark.parametrize(
    ("annotations", "wanted", "told"),
    [
        # annotations    volumes: name, mount path, source                                       the job's word for it
        ({}, [], {"secret_dir": "", "ca_dirs": (), "secret_header_dirs": ()}),
        (SECRET, [("cdi-secret-vol", "/secret/login", secret("login"))], {"secret_dir": "/secret/login"}),
        (
            CERTS,
            [("cdi-cert-vol", "/certs/ca", {"configMap": {"name": "ca", "optional": True}})],
            {"ca_dirs": ("/certs/ca",)},
        ),
        (
            HEADERS,
            [
                ("cdi-secret-extra-headers-vol-0", "/extraheaders/0/token", secret("token")),
                ("cdi-secret-extra-headers-vol-1", "/extraheaders/1/other", secret("other")),
            ],
            {"secret_header_dirs": ("/extraheaders/0/token", "/extraheaders/1/other")},
        ),
    ],
    ids=["nothing", "secret", "certificates", "secret headers"],
)
@pytest.mark.parametrize("source", ["http", "s3", "gcs", "registry", "imageio"])
def test_secrets_and_certificates(source, annotations, wanted, told):
    """Of whatever source; a missing one is for the worker to tell of, so that they are optional to the kubelet."""
    pod = legacy_pod({names.SOURCE: source, **annotations})
    _, *mounts = pod["spec"]["containers"][0]["volumeMounts"]
    _, *volumes = pod["spec"]["volumes"]
    assert mounts == [{"name": name, "mountPath": path, "readOnly": True} for name, path, _ in wanted]
    assert volumes == [{"name": name, **source} for name, _, source in wanted]
    assert {field: getattr(job(pod).source, field) for field in told} == told


def of_registry(endpoint, method="node"):
    return {names.SOURCE: "registry", names.ENDPOINT: endpoint, names.REGISTRY_IMPORT_METHOD: method}


@pytest.mark.parametrize(
    ("annotations", "image"),
    [
        (of_registry("docker://r.example.com:5000/disks/fedora:40"), "r.example.com:5000/disks/fedora:40"),
        (of_registry("docker://r.example.com/fedora@sha256:00"), "r.example.com/fedora@sha256:00"),
        (of_registry("docker://r.example.com/fedora", "pod"), None),
        (of_registry("docker://r.example.com/fedora", ""), None),
        ({names.REGISTRY_IMPORT_METHOD: "node"}, None),
    ],
)
def test_an_image_that_the_node_pulls(annotations, image):
    pod = legacy_pod(annotations)
    mounts, volumes = pod["spec"]["containers"][0]["volumeMounts"][1:], pod["spec"]["volumes"][1:]
    wanted = {"name": "cdi-image-vol", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}
    assert volumes == ([wanted] if image else [])
    assert mounts == ([{"name": "cdi-image-vol", "mountPath": "/image", "readOnly": True}] if image else [])


def test_many_secret_headers_are_in_order():
    many = {f"{names.SECRET_EXTRA_HEADERS}.{number}": f"s{number}" for number in (10, 0, 2)}
    dirs = job(legacy_pod(many)).source.secret_header_dirs
    assert dirs == ("/extraheaders/0/s0", "/extraheaders/2/s2", "/extraheaders/10/s10")
