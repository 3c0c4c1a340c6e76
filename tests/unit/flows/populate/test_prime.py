"""The hidden claim: when it is made, what it is made of, and what stands in the way (spec 4.1, 4.2)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta
from cdi_operator.flows.populate import observe, plan
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    BLANK,
    CLAIM_UID,
    CSI,
    CSI_WAITS,
    HTTP,
    KEY,
    NAME,
    NS,
    PRIME,
    SETTINGS,
    URL,
    config,
    deleting,
    driver,
    having,
    import_source,
    listing,
    noted,
    prime,
    storage_class,
    target,
    volume,
)
from tests.unit.world import NOW, World

PLACED = {names.SELECTED_NODE: "node-1"}
AT_ONCE = {names.IMMEDIATE_BIND: "false"}
MIGRATED = {names.MIGRATED_TO: "ebs.csi.aws.com"}
IN_TREE = (storage_class(provisioner="kubernetes.io/aws-ebs"), driver("kubernetes.io/aws-ebs"))


def look(*objects):
    state = observe(World(*objects), KEY)
    return plan(state, SETTINGS, NOW) if state else None


def made(*objects):
    """The hidden claim that the first look makes."""
    return next(action.object for action in look(*objects) if isinstance(action, Create))


def kinds(actions):
    return [type(action) for action in actions]


@pytest.mark.parametrize(
    ("storage", "claim", "begins"),
    [
        # class       claim                                       its hidden claim is made
        (CSI, target(), True),
        (CSI_WAITS, target(), False),
        (CSI_WAITS, target(annotations=PLACED), True),
        (CSI_WAITS, target(annotations=AT_ONCE), True),
        ((), target(), False),
        (CSI, target(spec={"storageClassName": None}), False),
        (CSI, target(spec={"storageClassName": ""}), False),
        (IN_TREE, target(), False),
        (IN_TREE, target(annotations=MIGRATED), True),
        ((storage_class(),), target(), True),
        (CSI, target("Bound"), False),
        (CSI, deleting(target()), False),
    ],
)
def test_begin(storage, claim, begins):
    assert (Create in kinds(look(*storage, import_source(), claim))) == begins


@pytest.mark.parametrize(
    "reference",
    [
        None,
        {"apiGroup": "other.io"},
        {"kind": "VolumeUploadSource"},
        {"namespace": "other"},
        {"namespace": NS},
    ],
)
def test_other_claims_are_none_of_our_business(reference):
    assert look(*CSI, import_source(), target(spec={"dataSourceRef": reference})) is None


@pytest.mark.parametrize("source", [(), (import_source({}),), (import_source(None),)])
def test_nothing_is_made_without_a_source(source):
    assert Create not in kinds(look(*CSI, *source, target()))


def test_a_source_that_is_none_is_told():
    patch, event = look(*CSI, import_source({}), target())
    assert (
        patch.annotations[names.BOUND_MESSAGE]
        == event.message
        == "the VolumeImportSource names no source that is known"
    )


def test_told_and_named_on_the_target():
    _, patch, event = look(*CSI, import_source(), target())
    assert patch.annotations == {names.PVC_PRIME: PRIME}
    assert (event.ref.name, event.type, event.component) == (NAME, "Normal", "import-populator")
    assert (event.reason, event.message) == ("CreatedPVCPrimeSuccessfully", "PVC Prime created successfully")


def test_whole():
    assert made(*CSI, import_source(), target()) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": PRIME,
            "namespace": NS,
            "labels": {
                "app": "containerized-data-importer",
                "velero.io/exclude-from-backup": "true",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
                "app.kubernetes.io/part-of": "kubevirt",
                "app.kubernetes.io/version": "1.2.3",
            },
            "annotations": {
                "cdi.kubevirt.io/storage.bind.immediate.requested": "",
                "cdi.kubevirt.io/storage.populator.kind": "VolumeImportSource",
                "cdi.kubevirt.io/storage.contentType": "kubevirt",
                "cdi.kubevirt.io/storage.preallocation.requested": "false",
                "cdi.kubevirt.io/storage.import.source": "http",
                "cdi.kubevirt.io/storage.import.endpoint": URL,
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "name": NAME,
                    "uid": CLAIM_UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "csi",
            "volumeMode": "Filesystem",
        },
    }


@pytest.mark.parametrize(
    "spec",
    [
        {"volumeMode": "Block"},
        {"accessModes": ["ReadWriteMany"]},
        {"resources": {"requests": {"storage": "7Gi"}, "limits": {"storage": "9Gi"}}},
    ],
)
def test_its_spec_is_the_targets(spec):
    hidden = made(*CSI, import_source(), target(spec=spec))["spec"]
    assert {key: hidden[key] for key in spec} == spec


@pytest.mark.parametrize(
    "annotation",
    [
        names.SELECTED_NODE,
        names.POD_RETAIN,
        names.PRIORITY_CLASS,
        names.SERVICE_ACCOUNT,
        names.MULTUS_NETWORKS,
        names.MULTUS_DEFAULT_NETWORK,
        names.ISTIO_INJECT,
        names.LINKERD_INJECT,
        names.VDDK_INIT_IMAGE_URL,
        names.VDDK_EXTRA_ARGS,
    ],
)
def test_what_the_worker_needs_is_passed_on(annotation):
    hidden = made(*CSI, import_source(), target(annotations={annotation: "x", "example.com/other": "y"}))
    assert hidden["metadata"]["annotations"][annotation] == "x"
    assert "example.com/other" not in hidden["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (HTTP, {names.SOURCE: "http", names.ENDPOINT: URL}),
        (BLANK, {names.SOURCE: "none", names.ENDPOINT: None}),
        (
            {"s3": {"url": "https://s3/b/k", "secretRef": "s"}},
            {names.SOURCE: "s3", names.ENDPOINT: "https://s3/b/k", names.SECRET_NAME: "s"},
        ),
    ],
)
def test_the_source_as_annotations(source, wanted):
    notes = made(*CSI, import_source(source), target())["metadata"]["annotations"]
    assert {key: notes.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("asked", "installation", "wanted"),
    [
        ({}, (), "false"),
        ({}, (config(preallocation=True),), "true"),
        ({"preallocation": True}, (), "true"),
        ({"preallocation": False}, (config(preallocation=True),), "false"),
    ],
)
def test_preallocation(asked, installation, wanted):
    hidden = made(*CSI, *installation, import_source(**asked), target())
    assert hidden["metadata"]["annotations"][names.PREALLOCATION_REQUESTED] == wanted


@pytest.mark.parametrize(("asked", "wanted"), [({}, "kubevirt"), ({"contentType": "archive"}, "archive")])
def test_content_type(asked, wanted):
    hidden = made(*CSI, import_source(**asked), target())
    assert hidden["metadata"]["annotations"][names.CONTENT_TYPE] == wanted


ONE_SAYS = "Unable to do multi-stage import without specifying a target claim"
OTHER_SAYS = "the VolumeImportSource is meant for the claim other"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({**listing("one"), "targetClaim": NAME}, ""),
        ({"targetClaim": NAME}, ""),
        ({}, ""),
        (listing("one"), ONE_SAYS),
        ({**listing("one"), "targetClaim": "other"}, OTHER_SAYS),
        ({"targetClaim": "other"}, OTHER_SAYS),
    ],
)
def test_a_list_of_stages_is_for_one_claim(spec, message):
    actions = look(*CSI, import_source(**spec), target())
    assert (Create in kinds(actions)) == (not message)
    assert [event.message for event in actions if isinstance(event, Emit) and event.type == "Warning"] == (
        [message] if message else []
    )


def test_it_begins_with_the_first_stage():
    spec = {**listing("one", "two", final=True), "targetClaim": NAME}
    notes = made(*CSI, import_source(**spec), target())["metadata"]["annotations"]
    stage = (names.CHECKPOINT_PREVIOUS, names.CHECKPOINT_CURRENT, names.CHECKPOINT_FINAL)
    assert [notes[key] for key in stage] == ["", "one", "false"]


def test_a_stranger_of_that_name_is_not_taken_for_it():
    stranger = having(prime("Bound"), metadata={"ownerReferences": None})
    assert Create in kinds(look(*CSI, import_source(), target(), stranger))


# Refused, lost, taken away ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ("persistentvolumeclaims is forbidden: exceeded quota: q", "ErrExceededQuota"),
        ("denied by policy", "ErrCreatingPVCPrime"),
    ],
)
def test_refused(refusal, reason):
    world = World(*CSI, import_source(), target())
    place = ("PersistentVolumeClaim", NS, PRIME)
    world.refusals[place] = Refusal(None, "Forbidden", refusal, NOW)

    def look_again():
        actions = plan(observe(world, KEY), SETTINGS, NOW)
        world.apply(actions)
        return actions

    def notes():
        found = world.get("PersistentVolumeClaim", NAME, NS)["metadata"]["annotations"]
        return found.get(names.BOUND), found.get(names.BOUND_REASON), found.get(names.BOUND_MESSAGE)

    first = look_again()
    assert kinds(first) == [PatchMeta, Emit, Create]
    assert notes() == ("false", reason, refusal)
    assert (first[1].type, first[1].reason, first[1].message) == ("Warning", "ErrCreatingPVCPrime", refusal)
    assert kinds(look_again()) == [Create], "told once, tried again"
    del world.refusals[place]
    look_again()
    look_again()
    assert notes() == (None, None, None), "what stood in the way is not told any longer"


def test_a_lost_hidden_claim_is_made_anew():
    """Somebody deleted its volume: what was written is gone."""
    found = (*CSI, import_source(), target(), prime("Lost"))
    assert kinds(look(*found)) == [Delete]
    assert kinds(look(*CSI, import_source(), target(), deleting(prime("Lost")))) == []


def test_one_that_goes_is_waited_for():
    assert kinds(look(*CSI, import_source(), target(annotations={names.PVC_PRIME: PRIME}), deleting(prime()))) == []


def test_nothing_is_begun_for_a_target_whose_volume_is_on_its_way():
    """Somebody deleted the hidden claim after its volume was handed over, and before the binder told the target."""
    rebound = volume(claim=NAME, claim_uid=CLAIM_UID)
    assert look(*CSI, import_source(), noted(target(), {names.POD_PHASE: "Succeeded"}), rebound) == ()


def test_a_volume_of_an_earlier_claim_of_that_name_does_not_count():
    released = volume(claim=NAME, claim_uid="uid-before", phase="Released")
    assert Create in kinds(look(*CSI, import_source(), target(), released))
