"""Claims that nobody made a DataVolume for, and claims that come back or stay (spec 2.6, 3.1, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cdi_operator.storage.names import importer_pod_name, prime_name
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, webserver
from tests.e2e.installation import Installation
from tests.e2e.namespaces import tells, wait_for_none
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase, phases

STORAGE = "cdi.kubevirt.io/storage"
IMAGE = "small.qcow2"


def claim_spec(storage_class: str, mode: str, size: str = "40Mi") -> Object:
    return manifests.claim_spec(size, storage_class=storage_class, mode=mode, access_mode="ReadWriteOnce")


def assert_holds_image(
    kubectl: Kubectl,
    installation: Installation,
    images: Mapping[str, Image],
    claim: str,
    mode: str = "Filesystem",
    image: str = IMAGE,
) -> None:
    wanted = disks.Expected(claim, mode, images[image].virtual_bytes)
    assert disks.read(kubectl, installation.python_image, [wanted])[claim].sha256 == images[image].sha256


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
    assert tells(namespace, "CreatedPVCPrimeSuccessfully", "Successfully imported into bare")
    # The user's own source stays: another claim may use it.
    assert namespace.get("volumeimportsource", "debian")


def test_a_source_for_several_claims(
    namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """It may go once every population has begun (spec 4.2 step 1), also on a class that waits for consumers."""
    wanted = {"a": ("csi", "Filesystem"), "b": ("csi-noclone", "Block"), "c": ("csi-wffc", "Block")}
    source = {
        "apiVersion": manifests.CDI,
        "kind": "VolumeImportSource",
        "metadata": {"name": "debian"},
        "spec": {"source": manifests.http(server.url("medium.qcow2", webserver.SLOW))},
    }
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "debian"}
    at_once = {f"{STORAGE}.bind.immediate.requested": "false"}
    with Watch(namespace, "pvc") as claims:
        spec = {name: {**claim_spec(*place, "80Mi"), "dataSourceRef": reference} for name, place in wanted.items()}
        namespace.apply(source, *(manifests.claim(name, spec[name], at_once) for name in wanted))
        has_begun = ("Running", "Succeeded")
        begun = "all populations have begun"
        claims.until(lambda now: all(note(now.get(name), "pod.phase") in has_begun for name in wanted), begun)
        namespace.delete("volumeimportsource", "debian")
        filled = "all claims are filled"
        claims.until(lambda now: all(note(now[name], "condition.bound") == "true" for name in wanted), filled, 120)
    image = images["medium.qcow2"]
    expected = [disks.Expected(name, mode, image.virtual_bytes) for name, (_, mode) in wanted.items()]
    found = disks.read(namespace, installation.python_image, expected)
    assert {disk.sha256 for disk in found.values()} == {image.sha256}


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


@pytest.mark.parametrize(
    ("storage_class", "mode", "when"),
    [
        ("csi", "Filesystem", "Succeeded"),
        ("csi-noclone", "Block", "ImportInProgress"),
        ("local", "Filesystem", "ImportInProgress"),
        ("local", "Block", "Succeeded"),
    ],
)
def test_a_claim_that_is_deleted_is_filled_again(
    storage_class: str,
    mode: str,
    when: str,
    namespace: Kubectl,
    installation: Installation,
    server: WebServer,
    images: Mapping[str, Image],
) -> None:
    """Spec 2.6: without its claim a DataVolume, also a Succeeded one, imports once more."""
    # Of a disk that is read in a second nobody may ever see that the import is in progress.
    image, door = ("medium.qcow2", webserver.SLOW) if when == "ImportInProgress" else (IMAGE, "images")
    source = manifests.http(server.url(image, door))
    with Watch(namespace, "datavolumes") as volumes, Watch(namespace, "pvc") as claims:
        namespace.apply(manifests.data_volume("again", source=source, pvc=claim_spec(storage_class, mode, "80Mi")))
        volumes.until(lambda now: phase(now, "again") == when, f"it is {when}")
        first = claims.now["again"]["metadata"]["uid"]
        # kubectl, which looks by name, may take the new claim for the old one, and wait for that to go.
        namespace("delete", "pvc", "again", "--wait=false")
        claims.until(lambda now: "again" in now and now["again"]["metadata"]["uid"] != first, "a new claim is made")
        claims.until(lambda now: now["again"]["status"].get("phase") == "Bound", "the new claim is bound")
        # The DataVolume may still be said to have Succeeded, with the claim before.
        claims.until(lambda now: note(now["again"], "pod.phase") == "Succeeded", "the new claim is filled")
        volumes.until(lambda now: phase(now, "again") == "Succeeded", "imported again")
    assert_holds_image(namespace, installation, images, "again", mode, image)


@pytest.mark.parametrize(("storage_class", "mode"), [("csi", "Filesystem"), ("csi", "Block")])
def test_a_user_who_wants_no_populator(
    storage_class: str,
    mode: str,
    namespace: Kubectl,
    installation: Installation,
    server: WebServer,
    images: Mapping[str, Image],
) -> None:
    """Spec 4.1: storage that has a CSI driver does as storage that has none, when the DataVolume says so."""
    source, no = manifests.http(server.url(IMAGE)), {f"{STORAGE}.usePopulator": "false"}
    with Watch(namespace, "datavolumes") as volumes:
        asked = claim_spec(storage_class, mode)
        namespace.apply(manifests.data_volume("plain", source=source, pvc=asked, annotations=no))
        volumes.until(lambda now: phase(now, "plain") == "Succeeded", "imported")
    claim = namespace.get("pvc", "plain")
    assert "dataSourceRef" not in claim["spec"]
    assert claim["metadata"]["annotations"][f"{STORAGE}.import.importPodName"] == importer_pod_name("plain")
    assert_holds_image(namespace, installation, images, "plain", mode)


def test_a_user_who_wants_a_populator(
    namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """The other way round: a provisioner without CSI leaves a claim alone that is to be populated."""
    source, yes = manifests.http(server.url(IMAGE)), {f"{STORAGE}.usePopulator": "true"}
    asked = claim_spec("local", "Filesystem")
    namespace.apply(manifests.data_volume("populated", source=source, pvc=asked, annotations=yes))
    namespace.wait("dv/populated", "jsonpath={.status.phase}=Succeeded")
    assert namespace.get("pvc", "populated")["spec"]["dataSourceRef"]["kind"] == "VolumeImportSource"
    assert_holds_image(namespace, installation, images, "populated")


@pytest.mark.parametrize("mode", ["Filesystem", "Block"])
def test_waiting_for_the_first_consumer_without_a_populator(
    mode: str, namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """Spec 2.5: nothing is made while nobody uses the claim; a pod that comes and goes, as KubeVirt's, is enough."""
    source, no = manifests.http(server.url(IMAGE)), {f"{STORAGE}.usePopulator": "false"}
    with Watch(namespace, "datavolumes") as volumes:
        asked = claim_spec("csi-wffc", mode)
        namespace.apply(manifests.data_volume("later", source=source, pvc=asked, annotations=no))
        volumes.until(lambda now: phase(now, "later") == "WaitForFirstConsumer", "it waits")
        bound = next(each for each in volumes.now["later"]["status"]["conditions"] if each["type"] == "Bound")
        assert "PVC later Pending" in bound["message"]
        assert namespace.items("pods") == []
        namespace.create(manifests.pod("consumer", installation.python_image, "pass", claims={"later": mode}))
        namespace.wait("pod/consumer", "jsonpath={.status.phase}=Succeeded")
        volumes.until(lambda now: phase(now, "later") == "Succeeded", "imported")
        went = phases(volumes.history("later"))
    order = ["WaitForFirstConsumer", "PVCBound", "ImportScheduled", "ImportInProgress", "Succeeded"]
    assert [at for at in went if at != "Pending"] == [at for at in order if at in went]
    namespace.delete("pod", "consumer")
    assert_holds_image(namespace, installation, images, "later", mode)


def test_a_claim_in_use_is_not_written_to(
    namespace: Kubectl, installation: Installation, server: WebServer, images: Mapping[str, Image]
) -> None:
    """A pod that was there first keeps the claim to itself; the import begins when it is over."""
    asked = claim_spec("local", "Filesystem")
    sleep, mounts = "import time; time.sleep(600)", {"used": "Filesystem"}
    machine = manifests.pod("machine", installation.python_image, sleep, claims=mounts)
    text = f"pod {namespace.namespace}/machine using PersistentVolumeClaim used"
    namespace.apply(manifests.claim("used", asked), machine)
    namespace.wait("pod/machine", "condition=Ready")
    namespace("annotate", "pvc", "used", f"{STORAGE}.import.endpoint={server.url(IMAGE)}")
    with Watch(namespace, "pvc") as claims:
        in_use = "ImportTargetInUse"
        claims.until(lambda now: note(now.get("used"), "condition.running.reason") == in_use, "it is told")
        assert note(claims.now["used"], "condition.running.message") == text
        assert tells(namespace, text)
        namespace.delete("pod", "machine")
        claims.until(lambda now: note(now["used"], "pod.phase") == "Succeeded", "imported")
    assert_holds_image(namespace, installation, images, "used")


@pytest.mark.parametrize(("storage_class", "prefix"), [("csi", "[prime-"), ("local", "failed to provision")])
def test_why_there_is_no_volume(storage_class: str, prefix: str, namespace: Kubectl, server: WebServer) -> None:
    """Spec 2.4: what the storage says of a claim, also of a hidden one, is told on the DataVolume."""
    asked = manifests.claim_spec("100Ti", storage_class=storage_class, mode="Block", access_mode="ReadWriteOnce")
    source = manifests.http(server.url(IMAGE))

    def told(volume: Object) -> bool:
        bound = [each for each in (volume.get("status") or {}).get("conditions") or () if each["type"] == "Bound"]
        start = f"target PVC huge Pending and {prefix}"
        return any(start in each["message"] and "not enough free space" in each["message"] for each in bound)

    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(manifests.data_volume("huge", source=source, pvc=asked))
        volumes.until(lambda now: "huge" in now and told(now["huge"]), "it is told")

    def of_claim(event: Object) -> bool:
        about, text = event["involvedObject"], event["message"]
        is_the_claim = (about["kind"], about["name"]) == ("PersistentVolumeClaim", "huge")
        return is_the_claim and text.startswith(prefix) and "not enough free space" in text

    with Watch(namespace, "events") as events:
        events.until(lambda now: any(map(of_claim, now.values())), "the claim tells it, too", 20)


def test_a_pod_that_is_to_be_kept_without_a_populator(namespace: Kubectl, server: WebServer) -> None:
    """Spec 2.6, retainAfterCompletion, in the legacy flow."""
    keep, source = {f"{STORAGE}.pod.retainAfterCompletion": "true"}, manifests.http(server.url(IMAGE))
    asked = claim_spec("local", "Filesystem")
    namespace.apply(manifests.data_volume("kept", source=source, pvc=asked, annotations=keep))
    namespace.wait("dv/kept", "jsonpath={.status.phase}=Succeeded")
    namespace.wait("pod/importer-kept", "jsonpath={.status.phase}=Succeeded")
    assert namespace("logs", "importer-kept")
    # With its claim it goes all the same.
    namespace.delete("dv", "kept")
    wait_for_none(namespace, "pods,pvc")


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
    assert tells(namespace, "PVC Prime retained in Lost state for debugging purposes")


def test_deleting_a_data_volume_deletes_all_of_it(namespace: Kubectl, server: WebServer) -> None:
    source = manifests.http(server.url("medium.qcow2", webserver.SLOW))
    asked = manifests.claim_spec("80Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(manifests.data_volume("halfway", source=source, pvc=asked))
        volumes.until(lambda now: phase(now, "halfway") == "ImportInProgress", "the import is under way")
    namespace.delete("dv", "halfway")
    wait_for_none(namespace, "pods,pvc,volumeimportsources")


def note(claim: Object | None, name: str) -> str:
    return str((claim or {"metadata": {}})["metadata"].get("annotations", {}).get(f"{STORAGE}.{name}", ""))
