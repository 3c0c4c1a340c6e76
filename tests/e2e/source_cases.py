"""What `test_sources` imports: DataVolumes that succeed, claims made by hand, and DataVolumes that cannot succeed.

Most sources are those of the examples for users, so that these are known to work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from devcluster.kubectl import Object
from devcluster.layout import CHECKOUT
from tests.e2e import manifests
from tests.e2e.peers import NOWHERE, ON_NODE, TWO_ON_NODE, Peers

EXAMPLES = CHECKOUT / "manifests" / "examples"
STORAGE = "cdi.kubevirt.io/storage"
IMMEDIATE = {f"{STORAGE}.bind.immediate.requested": ""}
LOGIN: dict[str, Any] = {"secretRef": "registry-login", "certConfigMap": "authority"}


@dataclass(frozen=True)
class Case:
    """A DataVolume that succeeds. `made`: its source; `image`: the disk that comes out."""

    name: str
    made: Callable[[Peers], Object]
    image: str
    storage_class: str = "csi"
    mode: str = "Filesystem"
    spec: str = "storage"
    more: Mapping[str, Any] = field(default_factory=dict)

    def manifest(self, there: Peers) -> Object:
        size = "80Mi" if self.image.startswith("medium") else "40Mi"
        asked = manifests.claim_spec(
            size, storage_class=self.storage_class, mode=self.mode, access_mode="ReadWriteOnce"
        )
        spec = {self.spec: asked, **self.more}
        annotations = IMMEDIATE if self.storage_class == "csi-wffc" else None
        return manifests.data_volume(self.name, source=self.made(there), annotations=annotations, **spec)


def example(file: str, replaced: Callable[[Peers], Mapping[str, str]]) -> Callable[[Peers], Object]:
    """The source of an example for users; only what names a server is `replaced`, and the checksum."""

    def made(there: Peers) -> Object:
        shown = yaml.safe_load((EXAMPLES / file).read_text())
        ((kind, given),) = shown["spec"]["source"].items()
        return {kind: {**given, **replaced(there)}}

    return made


def registry(url: str, **more: Any) -> Object:
    return {"registry": {"url": url, **more}}


def on_node(image: str) -> Object:
    return registry(f"docker://{image}", pullMethod="node")


def private(there: Peers) -> Mapping[str, str]:
    return {"url": there.private("small.qcow2"), "checksum": f"sha256:{there.checksums['small.qcow2']}"}


CASES = [
    Case("http", example("import-http-private.yaml", private), "small.qcow2"),
    Case(
        "http-insecure",
        lambda there: manifests.http(there.unlocked("small.raw"), insecureSkipVerify=True),
        "small.raw",
        "csi-noclone",
        "Block",
        "pvc",
    ),
    Case(
        "s3",
        example("import-s3.yaml", lambda there: {"url": there.s3("small.raw")}),
        "small.raw",
        "local",
        "Filesystem",
        "pvc",
    ),
    Case(
        "gcs",
        example("import-gcs.yaml", lambda there: {"url": there.web.url("small.qcow2")}),
        "small.qcow2",
        "csi-noclone",
    ),
    Case(
        "registry",
        example("import-registry.yaml", lambda there: {"url": there.registry("vms/disk:1")}),
        "small.qcow2",
        mode="Block",
    ),
    Case(
        "registry-arm64",
        lambda there: registry(there.registry("vms/disk:1"), **LOGIN, platform={"architecture": "arm64"}),
        "medium.qcow2",
        "csi-wffc",
        spec="pvc",
    ),
    Case("registry-node", lambda _: on_node(ON_NODE), "small.qcow2", "local", "Block", "pvc"),
    Case(
        "registry-node-populator",
        example("import-registry-node.yaml", lambda _: {"url": f"docker://{ON_NODE}"}),
        "small.qcow2",
        "csi-wffc",
    ),
    Case(
        "image-stream",
        example("import-image-stream.yaml", lambda _: {"imageStream": "golden:stable"}),
        "small.qcow2",
        "csi",
        "Block",
    ),
    Case(
        "archive",
        example("import-archive.yaml", lambda there: {"url": there.web.url("files.tar.gz")}),
        "small.raw",
        more={"contentType": "archive"},
    ),
]
S3_CLAIM, REGISTRY_CLAIM = "claim-s3", "claim-registry"


def claims_by_hand(there: Peers) -> list[Object]:
    """One with nothing but annotations, and one with a population source of its own."""
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    said = {"source": "s3", "endpoint": there.s3("small.raw"), "secretName": "s3-keys", "certConfigMap": "authority"}
    annotations = {f"{STORAGE}.import.{key}": value for key, value in said.items()}
    source = {
        "apiVersion": manifests.CDI,
        "kind": "VolumeImportSource",
        "metadata": {"name": "disk"},
        "spec": {"source": registry(there.registry("vms/disk:1"), **LOGIN, platform={"architecture": "amd64"})},
    }
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "disk"}
    return [
        manifests.claim(S3_CLAIM, asked, annotations),
        source,
        manifests.claim(REGISTRY_CLAIM, {**asked, "dataSourceRef": reference}),
    ]


@dataclass(frozen=True)
class Wrong:
    """A DataVolume that cannot succeed, and the reason and a part of the message of its condition Running."""

    name: str
    made: Callable[[Peers], Object]
    reason: str
    message: str


NO_IMAGE = 'no image found in image index for architecture "absent"'
WRONG = [
    Wrong(
        "no-secret",
        lambda there: manifests.http(there.private("small.qcow2"), secretRef="comes-later", insecureSkipVerify=True),
        "Error",
        "cannot read the secret /secret/comes-later/accessKeyId",
    ),
    Wrong(
        "no-authority",
        lambda there: manifests.http(there.unlocked("small.qcow2"), certConfigMap="nowhere"),
        "Error",
        "there are no certificates in /certs/nowhere",
    ),
    Wrong(
        "no-secret-header",
        lambda there: manifests.http(there.web.url("small.qcow2"), secretExtraHeaders=["nowhere"]),
        "Error",
        "there are no secret headers in /extraheaders/0/nowhere",
    ),
    Wrong(
        "unknown-authority",
        lambda there: manifests.http(there.unlocked("small.qcow2")),
        "Error",
        "failed to verify certificate: x509",
    ),
    Wrong(
        "wrong-keys",
        lambda there: {"s3": {"url": there.s3("small.raw"), "secretRef": "wrong-keys", "certConfigMap": "authority"}},
        "Error",
        "SignatureDoesNotMatch",
    ),
    Wrong(
        "no-login",
        lambda there: registry(there.registry("vms/disk:1"), certConfigMap="authority"),
        "Error",
        "failed to pull image: reading manifest 1",
    ),
    Wrong(
        "registry-without-tls",
        lambda there: registry(f"docker://{there.plain_registry}/vms/disk:1"),
        "Error",
        "server gave HTTP response to HTTPS client",
    ),
    Wrong(
        "no-such-architecture",
        lambda there: registry(there.registry("vms/disk:1"), **LOGIN, platform={"architecture": "absent"}),
        "Error",
        NO_IMAGE,
    ),
    Wrong("node-cannot-pull", lambda _: on_node(NOWHERE), "ImagePullFailed", f"failed to pull image: {NOWHERE}"),
    Wrong("two-disks", lambda _: on_node(TWO_ON_NODE), "Error", "image directory contains more than one file"),
    Wrong(
        "no-image-stream",
        example("import-image-stream.yaml", lambda _: {}),
        "ErrStartingPod",
        "ImageStream 'fedora' not found (without OpenShift, name the image by its url)",
    ),
]
