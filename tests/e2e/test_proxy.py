"""Imports through the installation's proxy, which speaks TLS with an authority of its own and wants a password.

It is a setting of the whole installation (spec 5.7), so no other test runs meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, peers
from tests.e2e.installation import Installation, settings
from tests.e2e.peers import Peers
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, message, phase

pytestmark = pytest.mark.alone

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
        flags = [f"--set=config.importProxy.{name}={value}" for name, value in values.items()]
        flags.append(f"--set=config.insecureRegistries={{{there.plain_registry}}}")
        with settings(installation, *flags, shown=trusted, wanted=AUTHORITY):
            yield
    finally:
        own.delete("configmap", AUTHORITY)


def authority(there: Peers) -> Object:
    data = {"ca.crt": there.certificate}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": AUTHORITY}, "data": data}


def trusted(config: Object) -> str:
    return str(((config.get("status") or {}).get("importProxy") or {}).get("trustedCAProxy", ""))


@pytest.mark.parametrize("storage_class", ["csi", "local"])
def test_through_a_proxy(
    storage_class: str,
    proxied: None,
    installation: Installation,
    namespace: Kubectl,
    there: Peers,
    images: Mapping[str, Image],
) -> None:
    """What it leads to has its authority, too, so that a claim need not name one."""
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


def test_an_insecure_registry(
    proxied: None, installation: Installation, namespace: Kubectl, there: Peers, images: Mapping[str, Image]
) -> None:
    """It is in insecureRegistries, and in noProxy (spec 1.5)."""
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    source = {"registry": {"url": f"docker://{there.plain_registry}/vms/disk:1", "platform": {"architecture": "amd64"}}}
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
