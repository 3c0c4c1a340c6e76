"""Every source besides a plain web server, with passwords, authorities and headers, as its user asks for it (spec 3.1).

All DataVolumes and claims of the tables are applied at once; kinds of storage are spread over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from demo.install import CHART, CONTROLLER, RELEASE
from devcluster.kubectl import Kubectl, Object
from devcluster.layout import CHECKOUT
from tests.e2e import disks, manifests, peers
from tests.e2e.disks import Disk
from tests.e2e.installation import Installation
from tests.e2e.peers import INSTANCE_TYPE, NOWHERE, ON_NODE, TWO_ON_NODE, Peers
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase

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
        "archive",
        example("import-archive.yaml", lambda there: {"url": there.web.url("files.tar.gz")}),
        "small.raw",
        more={"contentType": "archive"},
    ),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

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
        "image-stream",
        lambda _: {"registry": {"imageStream": "fedora:40", "pullMethod": "node"}},
        "SourceNotSupported",
        "the ImageStream 'fedora:40' is for OpenShift to resolve",
    ),
]


@dataclass(frozen=True)
class Seen:
    volumes: Mapping[str, Object]
    claims: Mapping[str, Object]
    disks: Mapping[str, Disk]
    complaints: Mapping[str, Object]
    """The DataVolumes of the other table, each with the condition that was waited for, if that came."""
    healed: str
    """Phase in the end of the one whose secret came late."""
    secrets: str
    """Every pod, DataVolume and event of the namespace while the imports ran, as JSON."""


@pytest.fixture(scope="module")
def there(
    installation: Installation, images: Mapping[str, Image], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peers]:
    if not installation.embedded:
        pytest.skip("these servers run on the node's own address, which only the embedded cluster shares with us")
    with peers.running(installation.kubectl, tmp_path_factory.mktemp("peers"), images) as found:
        yield found


@pytest.fixture(scope="module")
def seen(installation: Installation, shared_namespace: Kubectl, there: Peers) -> Iterator[Seen]:
    kubectl = shared_namespace
    kubectl.apply(*there.objects())
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    wrong = [manifests.data_volume(each.name, source=each.made(there), storage=asked) for each in WRONG]
    with Watch(kubectl, "datavolumes") as volumes, Watch(kubectl, "pvc") as claims, Watch(kubectl, "pods") as pods:
        kubectl.apply(*(case.manifest(there) for case in CASES), *claims_by_hand(there))
        volumes.within(120, lambda now: all(phase(now, case.name) == "Succeeded" for case in CASES))
        claims.within(60, lambda now: all(filled(now, name) for name in (S3_CLAIM, REGISTRY_CLAIM)))
        kubectl.apply(*wrong)
        volumes.within(90, lambda now: all(says(now.get(each.name, {}), each) for each in WRONG))
        complaints = dict(volumes.now)
        user, password = peers.WEB_LOGIN
        kubectl.apply(peers.secret("comes-later", accessKeyId=user, secretKey=password))
        done = [case for case in CASES if phase(volumes.now, case.name) == "Succeeded"]
        wanted = [disks.Expected(case.name, case.mode, there.images[case.image].virtual_bytes) for case in done]
        by_hand = {S3_CLAIM: "small.raw", REGISTRY_CLAIM: "small.qcow2"}
        wanted += [
            disks.Expected(name, "Filesystem", there.images[image].virtual_bytes)
            for name, image in by_hand.items()
            if filled(claims.now, name)
        ]
        read = disks.read(kubectl, installation.python_image, wanted)
        # It got past the secret: what is missing now are the two headers.
        volumes.within(60, lambda now: "403" in message(now["no-secret"]))
        yield Seen(
            volumes=dict(volumes.now),
            claims=dict(claims.now),
            disks=read,
            complaints=complaints,
            healed=message(volumes.now["no-secret"]),
            secrets=f"{pods.seen} {volumes.seen} {claims.seen} {kubectl.events()}",
        )


def filled(now: Mapping[str, Object], name: str) -> bool:
    notes = now.get(name, {}).get("metadata", {}).get("annotations", {})
    return (notes.get(f"{STORAGE}.pod.phase"), now.get(name, {}).get("status", {}).get("phase")) == (
        "Succeeded",
        "Bound",
    )


def running_condition(volume: Object) -> Object:
    conditions = (volume.get("status") or {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == "Running"), {})


def message(volume: Object) -> str:
    return str(running_condition(volume).get("message", ""))


def says(volume: Object, wrong: Wrong) -> bool:
    found = running_condition(volume)
    return (found.get("status"), found.get("reason")) == ("False", wrong.reason) and wrong.message in message(volume)


@each
def test_succeeds(case: Case, seen: Seen) -> None:
    status = seen.volumes[case.name]["status"]
    assert (status["phase"], status["progress"], status.get("restartCount", 0)) == ("Succeeded", "100.0%", 0), status


@each
def test_content(case: Case, seen: Seen, images: Mapping[str, Image]) -> None:
    disk = seen.disks[case.name]
    assert (disk.sha256, disk.nonzero_after_image) == (images[case.image].sha256, 0)
    if case.mode == "Filesystem":
        entries = {"disk.img", "etc"} if case.name == "archive" else {"disk.img"}
        assert set(disk.entries) - {"lost+found"} == entries


@pytest.mark.parametrize(("claim", "image"), [(S3_CLAIM, "small.raw"), (REGISTRY_CLAIM, "small.qcow2")])
def test_claims_by_hand(claim: str, image: str, seen: Seen, images: Mapping[str, Image]) -> None:
    assert seen.disks[claim].sha256 == images[image].sha256


def test_labels_of_an_image(seen: Seen) -> None:
    """Spec 2.2 step 8, 5.3: those of instance types reach the DataVolume, all of them the claim."""
    of_claim, of_volume = (found["registry"]["metadata"]["labels"] for found in (seen.claims, seen.volumes))
    assert (of_claim[INSTANCE_TYPE], of_claim["test.kubevirt.io/test"]) == ("u1.medium", "test")
    assert of_volume == {INSTANCE_TYPE: "u1.medium"}
    assert seen.claims[REGISTRY_CLAIM]["metadata"]["labels"][INSTANCE_TYPE] == "u1.medium"


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_says_what_is_wrong(wrong: Wrong, seen: Seen) -> None:
    found = seen.complaints[wrong.name]
    assert says(found, wrong), running_condition(found)
    assert found["status"]["phase"] not in ("Failed", "Succeeded")


def test_a_secret_that_comes_later(seen: Seen) -> None:
    """Nobody has to touch the DataVolume for it."""
    assert "403" in seen.healed


def test_no_secret_is_shown_anywhere(seen: Seen) -> None:
    assert [text for text in peers.SECRETS if text in seen.secrets] == []


AUTHORITY = "e2e-proxy-ca"


@pytest.fixture(scope="module")
def proxied(installation: Installation, there: Peers) -> Iterator[None]:
    """The installation's workers reach the world through the proxy, whose authority is the installation's, and one
    registry without it and without TLS.
    """
    own, url = installation.own, f"https://{peers.PROXY_LOGIN}@proxy.{peers.DOMAIN}:3128"
    own.apply(authority(there))
    try:
        values = {"HTTPProxy": url, "HTTPSProxy": url, "trustedCAProxy": AUTHORITY, "noProxy": f"plain.{peers.DOMAIN}"}
        settings = [f"--set=config.importProxy.{name}={value}" for name, value in values.items()]
        settings.append(f"--set=config.insecureRegistries={{{there.plain_registry}}}")
        own.helm("upgrade", RELEASE, CHART, "--reuse-values", *settings)
        try:
            settled(installation, AUTHORITY)
            yield
        finally:
            own.helm("rollback", RELEASE)
            settled(installation, "")
    finally:
        own.delete("configmap", AUTHORITY)


def authority(there: Peers) -> Object:
    data = {"ca.crt": there.certificate}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": AUTHORITY}, "data": data}


def settled(installation: Installation, wanted: str) -> None:
    """Wait until the controller has written what the chart now says where imports read it."""
    installation.own("rollout", "status", CONTROLLER, "--timeout=120s")
    with Watch(installation.kubectl, "cdiconfigs") as configs:
        configs.until(lambda now: trusted(now) == wanted, f"the authority of the proxy is {wanted!r}")


def trusted(configs: Mapping[str, Object]) -> str:
    status = configs.get("config", {}).get("status") or {}
    return str((status.get("importProxy") or {}).get("trustedCAProxy", ""))


@pytest.mark.alone
@pytest.mark.parametrize("storage_class", ["csi", "local"])
def test_through_a_proxy(
    storage_class: str,
    proxied: None,
    installation: Installation,
    namespace: Kubectl,
    there: Peers,
    images: Mapping[str, Image],
) -> None:
    """It speaks TLS with an authority of its own and wants a password (spec 5.7). What it leads to has that authority
    too, so that a claim need not name one.
    """
    asked = manifests.claim_spec("40Mi", storage_class=storage_class, mode="Filesystem", access_mode="ReadWriteOnce")
    source = manifests.http(there.unlocked("small.qcow2"))
    there.proxy.asked.clear()
    with Watch(namespace, "configmaps") as maps, Watch(namespace, "pods") as pods:
        namespace.apply(manifests.data_volume("far", source=source, pvc=asked))
        namespace.wait("dv/far", "jsonpath={.status.phase}=Succeeded", 90)
        pods.until(lambda now: not now, "the worker goes")
        maps.until(lambda now: not [name for name in now if name.startswith("import-proxy-cm-")], "the copy goes")
        copies = {obj["metadata"]["name"] for obj in maps.seen} - {"kube-root-ca.crt"}
    worker = next(iter({obj["metadata"]["name"] for obj in pods.seen}))
    assert copies == {worker.replace("importer-", "import-proxy-cm-", 1)}
    assert any(line.startswith(f"CONNECT private.{peers.DOMAIN}:443") for line in there.proxy.asked)
    wanted = [disks.Expected("far", "Filesystem", images["small.qcow2"].virtual_bytes)]
    assert disks.read(namespace, installation.python_image, wanted)["far"].sha256 == images["small.qcow2"].sha256


@pytest.mark.alone
def test_an_insecure_registry(
    proxied: None, installation: Installation, namespace: Kubectl, there: Peers, images: Mapping[str, Image]
) -> None:
    """It is in insecureRegistries, and in noProxy (spec 1.5)."""
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    source = registry(f"docker://{there.plain_registry}/vms/disk:1", platform={"architecture": "amd64"})
    there.proxy.asked.clear()
    namespace.apply(manifests.data_volume("near", source=source, storage=asked))
    namespace.wait("dv/near", "jsonpath={.status.phase}=Succeeded", 90)
    assert there.proxy.asked == []
    wanted = [disks.Expected("near", "Block", images["small.qcow2"].virtual_bytes)]
    assert disks.read(namespace, installation.python_image, wanted)["near"].sha256 == images["small.qcow2"].sha256


def test_an_authority_that_comes_later(
    proxied: None, installation: Installation, namespace: Kubectl, there: Peers
) -> None:
    """Without it no worker could trust the proxy: none starts, and the DataVolume says what the administrator has to
    make. Then it goes on by itself.
    """
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    volume = manifests.data_volume("waits", source=manifests.http(there.unlocked("small.qcow2")), storage=asked)
    lacking = f"ConfigMap '{AUTHORITY}' with key ca.crt not found in namespace {installation.own.namespace}"
    installation.own.delete("configmap", AUTHORITY)
    with Watch(namespace, "datavolumes") as volumes:
        try:
            namespace.apply(volume)
            volumes.until(lambda now: lacking in message(now.get("waits", {})), "it says what is missing")
        finally:
            installation.own.apply(authority(there))
        volumes.until(lambda now: phase(now, "waits") == "Succeeded", "it goes on")
