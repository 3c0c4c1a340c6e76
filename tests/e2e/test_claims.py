"""Claims that nobody made a DataVolume for, and claims that come back or stay (spec 2.6, 3.1, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cdi_operator.storage.names import importer_pod_name, prime_name
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, webserver
from tests.e2e.installation import Installation
from tests.e2e.namespaces import wait_for_none
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase

STORAGE = "cdi.kubevirt.io/storage"
IMAGE = "small.qcow2"


def claim_spec(storage_class: str, mode: str) -> Object:
    return manifests.claim_spec("40Mi", storage_class=storage_class, mode=mode, access_mode="ReadWriteOnce")


def assert_holds_image(
    kubectl: Kubectl, installation: Installation, images: Mapping[str, Image], claim: str, mode: str = "Filesystem"
) -> None:
    wanted = disks.Expected(claim, mode, images[IMAGE].virtual_bytes)
    assert disks.read(kubectl, installation.python_image, [wanted])[claim].sha256 == images[IMAGE].sha256


@pytest.mark.parametrize("mode", ["Filesystem", "Block"])
def test_a_claim_with_a_population_source(
    mode: str, namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """A VolumeImportSource made by hand, and a claim that refers to it; no DataVolume anywhere."""
    source = {
        "apiVersion": manifests.CDI,
        "kind": "VolumeImportSource",
        "metadata": {"name": "debian"},
        "spec": {"source": manifests.http(server.url(IMAGE))},
    }
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "debian"}
    with Watch(namespace, "pvc") as claims:
        namespace.apply(source, manifests.claim("bare", {**claim_spec("csi", mode), "dataSourceRef": reference}))
        claims.until(
            lambda now: "bare" in now and note(now["bare"], "condition.bound") == "true", "the claim is filled"
        )
    found = namespace.get("pvc", "bare")
    assert found["status"]["phase"] == "Bound"
    annotations = found["metadata"]["annotations"]
    assert annotations[f"{STORAGE}.pod.phase"] == "Succeeded"
    assert annotations[f"{STORAGE}.populator.progress"] == "100.0%"
    namespace.wait(f"pvc/{prime_name(found['metadata']['uid'])}", "delete")
    assert_holds_image(namespace, installation, images, "bare", mode)
    events = namespace.events()
    assert "CreatedPVCPrimeSuccessfully" in events
    assert "Successfully imported into bare" in events
    # The user's own source stays: another claim may use it.
    assert namespace.get("volumeimportsource", "debian")


@pytest.mark.parametrize(("storage_class", "mode"), [("csi", "Filesystem"), ("csi", "Block"), ("local", "Block")])
def test_a_claim_with_an_endpoint(
    storage_class: str,
    mode: str,
    namespace: Kubectl,
    installation: Installation,
    server: WebServer,
    images: Mapping[str, Image],
) -> None:
    """One annotation on a claim made by hand is all it takes (spec 3.1)."""
    endpoint = {f"{STORAGE}.import.endpoint": server.url(IMAGE)}
    with Watch(namespace, "pvc") as claims:
        namespace.apply(manifests.claim("annotated", claim_spec(storage_class, mode), endpoint))
        filled = "the claim is filled"
        claims.until(lambda now: "annotated" in now and note(now["annotated"], "pod.phase") == "Succeeded", filled)
    found = namespace.get("pvc", "annotated")
    assert found["metadata"]["annotations"][f"{STORAGE}.import.importPodName"] == importer_pod_name("annotated")
    namespace.wait("pod/importer-annotated", "delete")
    assert_holds_image(namespace, installation, images, "annotated", mode)


def test_a_claim_that_is_deleted_is_filled_again(
    namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """Spec 2.6: without its claim a Succeeded DataVolume imports once more."""
    source = manifests.http(server.url(IMAGE))
    with Watch(namespace, "datavolumes") as volumes, Watch(namespace, "pvc") as claims:
        namespace.apply(manifests.data_volume("again", source=source, pvc=claim_spec("csi", "Filesystem")))
        volumes.until(lambda now: phase(now, "again") == "Succeeded", "imported")
        first = claims.now["again"]["metadata"]["uid"]
        namespace.delete("pvc", "again")
        claims.until(lambda now: "again" in now and now["again"]["metadata"]["uid"] != first, "a new claim is made")
        claims.until(lambda now: now["again"]["status"].get("phase") == "Bound", "the new claim is filled")
        volumes.until(lambda now: phase(now, "again") == "Succeeded", "imported again")
    assert_holds_image(namespace, installation, images, "again")


def test_a_pod_that_is_to_be_kept(namespace: Kubectl, server: WebServer) -> None:
    """Spec 2.6, retainAfterCompletion: pod and hidden claim stay, for whoever wants to look."""
    keep = {f"{STORAGE}.pod.retainAfterCompletion": "true"}
    source = manifests.http(server.url(IMAGE))
    namespace.apply(manifests.data_volume("kept", source=source, pvc=claim_spec("csi", "Filesystem"), annotations=keep))
    namespace.wait("dv/kept", "jsonpath={.status.phase}=Succeeded")
    prime = prime_name(namespace.get("pvc", "kept")["metadata"]["uid"])
    namespace.wait(f"pvc/{prime}", "jsonpath={.status.phase}=Lost")
    # The DataVolume does not wait for the pod: its container's word is enough.
    namespace.wait(f"pod/{importer_pod_name(prime)}", "jsonpath={.status.phase}=Succeeded")
    assert namespace("logs", importer_pod_name(prime))
    assert "PVC Prime retained in Lost state for debugging purposes" in namespace.events()


def test_deleting_a_data_volume_deletes_all_of_it(namespace: Kubectl, server: WebServer) -> None:
    source = manifests.http(server.url("medium.qcow2", webserver.SLOW))
    asked = manifests.claim_spec("80Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(manifests.data_volume("halfway", source=source, pvc=asked))
        volumes.until(lambda now: phase(now, "halfway") == "ImportInProgress", "the import is under way")
    namespace.delete("dv", "halfway")
    wait_for_none(namespace, "pods,pvc,volumeimportsources")


def note(claim: Object, name: str) -> str:
    return str(claim["metadata"].get("annotations", {}).get(f"{STORAGE}.{name}", ""))
