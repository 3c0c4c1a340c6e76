"""Every source besides a plain web server, with passwords, authorities and headers, as its user asks for it (spec 3.1).

All DataVolumes and claims of the tables are applied at once; kinds of storage are spread over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, peers
from tests.e2e.disks import Disk
from tests.e2e.installation import Installation
from tests.e2e.openshift import image_stream, image_streams
from tests.e2e.peers import INSTANCE_TYPE, Peers
from tests.e2e.source_cases import CASES, REGISTRY_CLAIM, S3_CLAIM, STORAGE, WRONG, Case, Wrong, claims_by_hand
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, message, phase, running_condition

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


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
def seen(installation: Installation, shared_namespace: Kubectl, there: Peers) -> Iterator[Seen]:
    kubectl = shared_namespace
    with image_streams(kubectl):
        kubectl.apply(*there.objects(), image_stream("golden", "stable", peers.ON_NODE))
        yield imported(installation, kubectl, there)


def imported(installation: Installation, kubectl: Kubectl, there: Peers) -> Seen:
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
    wrong = [manifests.data_volume(each.name, source=each.made(there), storage=asked) for each in WRONG]
    with Watch(kubectl, "datavolumes") as volumes, Watch(kubectl, "pvc") as claims, Watch(kubectl, "pods") as pods:
        kubectl.apply(*(case.manifest(there) for case in CASES), *claims_by_hand(there))
        volumes.within(120, lambda now: all(phase(now, case.name) == "Succeeded" for case in CASES))
        claims.within(60, lambda now: all(filled(now, name) for name in (S3_CLAIM, REGISTRY_CLAIM)))
        kubectl.apply(*wrong)
        volumes.within(90, lambda _: all(has_said(volumes, each) for each in WRONG))
        complaints = {each.name: last(volumes.history(each.name), each) for each in WRONG}
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
        return Seen(
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


def says(volume: Object, wrong: Wrong) -> bool:
    found = running_condition(volume)
    return (found.get("status"), found.get("reason")) == ("False", wrong.reason) and wrong.message in message(volume)


def has_said(volumes: Watch, wrong: Wrong) -> bool:
    return any(says(volume, wrong) for volume in volumes.history(wrong.name))


def last(history: list[Object], wrong: Wrong) -> Object:
    """The last that said so, for a worker that is started again says something else meanwhile; or else the last."""
    return ([volume for volume in history if says(volume, wrong)] or history)[-1]


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
