"""What the provisioner without CSI does with what it sees."""

from dataclasses import replace

import pytest

from devcluster.csi.local_objects import Json, claim_of, node_that_booted, volume_body
from devcluster.csi.local_plan import Action, Claim, Class, Provision, Refuse, Remove, Seen, Volume, orphans, plan

NAME = "devcluster.local/hostpath"
ASKED = {"volume.kubernetes.io/storage-provisioner": NAME}
IMMEDIATE = Class("local", NAME, waits=False, reclaim_policy="Delete")
WAITING = Class("later", NAME, waits=True, reclaim_policy="Delete")
CLAIM = Claim(
    namespace="ns",
    name="claim",
    uid="1",
    storage_class="local",
    annotations=ASKED,
    size_bytes=1 << 30,
    block=False,
    access_modes=("ReadWriteOnce",),
    source="",
    has_selector=False,
    volume="",
    deleting=False,
)
MADE = {"pv.kubernetes.io/provisioned-by": NAME}
VOLUME = Volume("pvc-1", MADE, "Bound", "Delete")


def seen(claim: Claim | None = None, volume: Volume | None = None) -> Seen:
    return Seen(
        provisioner=NAME,
        node="here",
        classes=(IMMEDIATE, WAITING, Class("csi", "csi.devcluster.local", waits=False, reclaim_policy="Delete")),
        claims=(claim,) if claim else (),
        volumes=(volume,) if volume else (),
    )


def on(node: str) -> Claim:
    annotations = {**ASKED, "volume.kubernetes.io/selected-node": node}
    return replace(CLAIM, storage_class="later", annotations=annotations)


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        (CLAIM, [Provision(CLAIM, IMMEDIATE)]),
        (on("here"), [Provision(on("here"), WAITING)]),
        (replace(CLAIM, storage_class="later"), []),
        (replace(CLAIM, annotations={}), []),
        (replace(CLAIM, storage_class="csi"), []),
        (replace(CLAIM, volume="pvc-1"), []),
        (replace(CLAIM, deleting=True), []),
    ],
    ids=[
        "immediate",
        "the pod has a node",
        "the pod has no node yet",
        "the controller-manager has not asked yet",
        "another provisioner's",
        "bound",
        "deleted",
    ],
)
def test_claim(claim: Claim, wanted: list[Action]) -> None:
    assert plan(seen(claim)) == wanted


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        (on("there"), "node there was selected, but volumes are made on node here only"),
        (
            replace(CLAIM, source="VolumeSnapshot"),
            f"volumes of {NAME} start empty: cannot fill one from a VolumeSnapshot",
        ),
        (replace(CLAIM, has_selector=True), "a claim with a selector waits for a volume that somebody else makes"),
    ],
)
def test_refused_claim(claim: Claim, text: str) -> None:
    assert plan(seen(claim)) == [Refuse(claim, text)]


@pytest.mark.parametrize(
    ("volume", "wanted"),
    [
        (VOLUME, []),
        (replace(VOLUME, phase="Released"), [Remove("pvc-1")]),
        (replace(VOLUME, phase="Released", reclaim_policy="Retain"), []),
        (replace(VOLUME, phase="Released", annotations={}), []),
    ],
    ids=["bound", "released", "kept", "somebody else's"],
)
def test_volume(volume: Volume, wanted: list[Action]) -> None:
    assert plan(seen(volume=volume)) == wanted


def test_volume_that_is_there_is_not_made_again() -> None:
    assert plan(seen(CLAIM, VOLUME)) == []


@pytest.mark.parametrize(
    ("claim", "volume", "wanted"),
    [(None, None, ["pvc-1"]), (CLAIM, None, []), (None, VOLUME, [])],
    ids=["nobody wants it", "its claim waits", "the cluster has it"],
)
def test_orphans(claim: Claim | None, volume: Volume | None, wanted: list[str]) -> None:
    assert orphans(seen(claim, volume), frozenset({"pvc-1"})) == wanted


CLAIM_BODY: Json = {
    "metadata": {"namespace": "ns", "name": "claim", "uid": "1", "annotations": ASKED},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "local",
        "volumeMode": "Filesystem",
    },
}


@pytest.mark.parametrize(
    ("spec", "claim"),
    [
        ({}, CLAIM),
        ({"volumeMode": "Block"}, replace(CLAIM, block=True)),
        ({"resources": {"requests": {"storage": "100M"}}}, replace(CLAIM, size_bytes=10**8)),
        ({"dataSource": {"kind": "PersistentVolumeClaim"}}, replace(CLAIM, source="PersistentVolumeClaim")),
        ({"dataSourceRef": {"kind": "VolumeImportSource"}}, replace(CLAIM, source="VolumeImportSource")),
        ({"selector": {"matchLabels": {}}}, replace(CLAIM, has_selector=True)),
        ({"volumeName": "pvc-1"}, replace(CLAIM, volume="pvc-1")),
    ],
)
def test_claim_is_read(spec: Json, claim: Claim) -> None:
    assert claim_of({**CLAIM_BODY, "spec": {**CLAIM_BODY["spec"], **spec}}) == claim


def test_volume_binds_to_its_claim_on_its_node() -> None:
    body = volume_body(Provision(replace(CLAIM, block=True), IMMEDIATE), NAME, "here", "/data/pvc-1", 1 << 30)
    assert body["metadata"] == {"name": "pvc-1", "annotations": MADE}
    assert body["spec"]["capacity"] == {"storage": "1024Mi"}
    assert body["spec"]["volumeMode"] == "Block"
    assert body["spec"]["claimRef"]["uid"] == "1"
    assert body["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["here"]}]}
    ]


@pytest.mark.parametrize(("boot_id", "node"), [("a", "one"), ("b", "two"), ("c", None)])
def test_node_of_this_machine(boot_id: str, node: str | None) -> None:
    nodes = [
        {"metadata": {"name": name}, "status": {"nodeInfo": {"bootID": id}}}
        for name, id in (("one", "a"), ("two", "b"))
    ]
    assert node_that_booted(nodes, boot_id) == node
