"""The claim that a DataVolume gets, and what comes with it: labels, annotations, the flow that fills it (spec 2.2)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create
from cdi_operator.flows.datavolume import observe, plan
from tests.unit.flows.given import (
    BLANK,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    HTTP,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NAME,
    NO_GATES,
    NS,
    SETTINGS,
    SOURCE_NAME,
    URL,
    VOLUME_UID,
    config,
    data_volume,
    having,
    noted,
)
from tests.unit.flows.given import (
    claim_spec as asked_claim,
)
from tests.unit.world import NOW, World

RWO, RWX = "ReadWriteOnce", "ReadWriteMany"


def storage(size="1Gi", **rest):
    requests = {"resources": {"requests": {"storage": size}}} if size else {}
    return data_volume(storage={**requests, **rest})


def made(*objects):
    actions = plan(observe(World(*objects), KEY), SETTINGS, NOW)
    return next(action.object for action in actions if isinstance(action, Create) and "Claim" in action.object["kind"])


# The claim as it is made --------------------------------------------------------------------------------------------

RECOMMENDED = {
    "app.kubernetes.io/component": "storage",
    "app.kubernetes.io/managed-by": "cdi-controller",
    "app.kubernetes.io/part-of": "kubevirt",
    "app.kubernetes.io/version": "1.2.3",
}
OWNER = {
    "apiVersion": "cdi.kubevirt.io/v1beta1",
    "kind": "DataVolume",
    "name": NAME,
    "uid": VOLUME_UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
REFERENCE = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": SOURCE_NAME}


def test_whole_for_the_populator():
    assert made(*CSI, HONOURS_WAIT, data_volume()) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": NAME,
            "namespace": NS,
            "labels": {
                **RECOMMENDED,
                "app": "containerized-data-importer",
                "alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled",
            },
            "annotations": {
                "cdi.kubevirt.io/storage.pod.restarts": "0",
                "cdi.kubevirt.io/storage.contentType": "kubevirt",
                "cdi.kubevirt.io/storage.preallocation.requested": "false",
                "cdi.kubevirt.io/createdForDataVolume": VOLUME_UID,
                "cdi.kubevirt.io/storage.usePopulator": "true",
            },
            "ownerReferences": [OWNER],
        },
        "spec": asked_claim(volumeMode="Filesystem", dataSourceRef=REFERENCE),
    }


def test_for_the_legacy_flow_the_claim_carries_the_source():
    claim = made(*LOCAL, HONOURS_WAIT, data_volume())
    notes = claim["metadata"]["annotations"]
    assert claim["spec"] == asked_claim(volumeMode="Filesystem")
    assert notes["cdi.kubevirt.io/storage.import.source"] == "http"
    assert notes["cdi.kubevirt.io/storage.import.endpoint"] == URL
    assert names.USE_POPULATOR not in notes


def test_blank_has_no_endpoint():
    notes = made(*LOCAL, data_volume(BLANK))["metadata"]["annotations"]
    assert notes[names.SOURCE] == "none"
    assert names.ENDPOINT not in notes


@pytest.mark.parametrize(
    ("storage", "gates", "asked", "wanted"),
    [
        # populator: without the gate nothing waits, and the claim says so; the user's own word stays what it is
        (CSI_WAITS, HONOURS_WAIT, {}, None),
        (CSI_WAITS, NO_GATES, {}, ""),
        (CSI_WAITS, NO_GATES, {names.IMMEDIATE_BIND: "false"}, "false"),
        (CSI_WAITS, HONOURS_WAIT, {names.IMMEDIATE_BIND: "true"}, "true"),
        # before there is a CDIConfig it counts as it will be made
        (CSI_WAITS, None, {}, None),
        # legacy: the gate is asked when the worker is to be made
        (LOCAL_WAITS, NO_GATES, {}, None),
    ],
)
def test_immediate_binding(storage, gates, asked, wanted):
    claim = made(*storage, *((gates,) if gates else ()), noted(data_volume(), asked))
    assert claim["metadata"]["annotations"].get(names.IMMEDIATE_BIND) == wanted


@pytest.mark.parametrize(
    ("patch", "wanted"),
    [
        ({"spec": {"priorityClassName": "high"}}, {names.PRIORITY_CLASS: "high"}),
        ({"spec": {"serviceAccountName": "puller"}}, {names.SERVICE_ACCOUNT: "puller"}),
        ({"spec": {"contentType": "archive"}}, {names.CONTENT_TYPE: "archive"}),
        ({"spec": {"preallocation": True}}, {names.PREALLOCATION_REQUESTED: "true"}),
        ({"metadata": {"annotations": {"example.com/any": "x"}}}, {"example.com/any": "x"}),
        ({"metadata": {"annotations": {names.POD_RETAIN: "true"}}}, {names.POD_RETAIN: "true"}),
    ],
)
def test_annotations(patch, wanted):
    notes = made(*CSI, having(data_volume(), **patch))["metadata"]["annotations"]
    assert {key: notes.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("asked", "installation", "wanted"),
    [(None, False, "false"), (None, True, "true"), (True, False, "true"), (False, True, "false")],
)
def test_preallocation(asked, installation, wanted):
    claim = made(*CSI, config(preallocation=installation), data_volume(preallocation=asked))
    assert claim["metadata"]["annotations"][names.PREALLOCATION_REQUESTED] == wanted


@pytest.mark.parametrize(
    ("mode", "labels", "wanted"),
    [
        ("Filesystem", {}, {names.NO_FILLING_UP_ALERT: "disabled"}),
        ("Block", {}, {names.NO_FILLING_UP_ALERT: None}),
        ("Block", {"team": "blue", "app": "mine"}, {"team": "blue", "app": "containerized-data-importer"}),
    ],
)
def test_labels(mode, labels, wanted):
    volume = having(data_volume(pvc=asked_claim(volumeMode=mode)), metadata={"labels": labels})
    carried = made(*CSI, volume)["metadata"]["labels"]
    assert {key: carried.get(key) for key in wanted} == wanted


# What comes with the claim ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "given", "wanted"),
    [
        (HTTP, {}, {"contentType": "kubevirt", "preallocation": False}),
        (BLANK, {}, {"contentType": "kubevirt", "preallocation": False}),
        (HTTP, {"contentType": "archive", "preallocation": True}, {"contentType": "archive", "preallocation": True}),
        (
            HTTP,
            {"checkpoints": [{"previous": "", "current": "a"}], "finalCheckpoint": False},
            {"checkpoints": [{"previous": "", "current": "a"}], "finalCheckpoint": False},
        ),
    ],
)
def test_population_source(source, given, wanted):
    """Made before the claim that refers to it."""
    _, first, second = plan(observe(World(*CSI, data_volume(source, **given)), KEY), SETTINGS, NOW)
    assert (first.object["kind"], second.object["kind"]) == ("VolumeImportSource", "PersistentVolumeClaim")
    assert first.object["metadata"] == {
        "name": SOURCE_NAME,
        "namespace": NS,
        "labels": {**RECOMMENDED, "app": "containerized-data-importer"},
        "ownerReferences": [OWNER],
    }
    assert first.object["spec"]["source"] == source
    assert {key: first.object["spec"].get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("storage", "said", "wanted"),
    [
        # the class       the DataVolume says    the claim is made for the populator
        (CSI, None, True),
        (LOCAL, None, False),
        ((), None, False),
        (CSI, "false", False),
        (LOCAL, "true", True),
        (LOCAL, "True", True),
        (CSI, "no", False),
    ],
)
def test_which_flow(storage, said, wanted):
    """Decided once, and written down on the DataVolume before the claim is made."""
    world = World(*storage, noted(data_volume(), {names.USE_POPULATOR: said}))
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    assert [type(action) for action in actions].index(Create) == (1 if said is None else 0)
    world.apply(actions)
    noted_on = world.get("DataVolume", NAME, NS)["metadata"]["annotations"]
    assert noted_on[names.USE_POPULATOR] == (said or ("true" if wanted else "false"))
    claim = world.get("PersistentVolumeClaim", NAME, NS)
    assert ("dataSourceRef" in claim["spec"]) == wanted
    assert (world.get("VolumeImportSource", SOURCE_NAME, NS) is not None) == wanted
