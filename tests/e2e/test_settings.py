"""What the installation and its storage classes say for everybody: so no other test runs meanwhile (spec 2.5, 4.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests
from tests.e2e.installation import Installation, settings
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase

pytestmark = pytest.mark.alone

IMAGE = "small.qcow2"
STORAGE = "cdi.kubevirt.io/storage"
IMMEDIATE = f"{STORAGE}.bind.immediate.requested"
VIRT_DEFAULT = "storageclass.kubevirt.io/is-default-virt-class"


@pytest.fixture
def no_waiting(installation: Installation) -> Iterator[None]:
    """Without the feature gate HonorWaitForFirstConsumer."""
    with settings(installation, "--set-json=config.featureGates=[]", shown=gates, wanted=[]):
        yield


def gates(config: Object) -> list[str]:
    return list(config["spec"].get("featureGates") or ())


def test_nobody_waits_for_a_consumer(
    no_waiting: None,
    namespace: Kubectl,
    installation: Installation,
    server: WebServer,
    images: Mapping[str, Image],
) -> None:
    """On a class that waits for one, in both flows: the import itself is the reason to bind."""
    modes = {"populated": "Filesystem", "in-place": "Block"}
    notes = {"populated": {}, "in-place": {f"{STORAGE}.usePopulator": "false"}}
    for name, mode in modes.items():
        asked = manifests.claim_spec("40Mi", storage_class="csi-wffc", mode=mode, access_mode="ReadWriteOnce")
        source = manifests.http(server.url(IMAGE))
        namespace.apply(manifests.data_volume(name, source=source, pvc=asked, annotations=notes[name]))
    with Watch(namespace, "datavolumes") as volumes:
        volumes.until(lambda now: all(phase(now, name) == "Succeeded" for name in modes), "both are imported")
        went = {phase({"it": obj}, "it") for obj in volumes.seen}
    assert not went & {"WaitForFirstConsumer", "PendingPopulation"}
    assert IMMEDIATE in namespace.get("pvc", "populated")["metadata"]["annotations"]
    wanted = [disks.Expected(name, mode, images[IMAGE].virtual_bytes) for name, mode in modes.items()]
    found = disks.read(namespace, installation.python_image, wanted)
    assert {disk.sha256 for disk in found.values()} == {images[IMAGE].sha256}


def test_the_default_for_virtual_machines(namespace: Kubectl, installation: Installation, server: WebServer) -> None:
    """It is for their disks; everything else goes to the cluster's default."""
    source = manifests.http(server.url("nowhere"))
    asked = manifests.claim_spec("40Mi", mode="Filesystem", access_mode="ReadWriteOnce")
    installation.kubectl("annotate", "storageclass", "csi-noclone", f"{VIRT_DEFAULT}=true")
    try:
        with Watch(namespace, "pvc") as claims:
            namespace.apply(
                manifests.data_volume("disk", source={"blank": {}}, storage=asked),
                manifests.data_volume("files", source=source, storage=asked, contentType="archive"),
            )
            claims.until(lambda now: {"disk", "files"} <= now.keys(), "both claims are there")
            made = {name: claims.now[name]["spec"]["storageClassName"] for name in ("disk", "files")}
        namespace.wait("dv/disk", "jsonpath={.status.phase}=Succeeded")
    finally:
        installation.kubectl("annotate", "storageclass", "csi-noclone", f"{VIRT_DEFAULT}-")
    assert made == {"disk": "csi-noclone", "files": "csi"}
