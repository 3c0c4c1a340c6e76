"""Whose claim it is, what may not be made, and when the population source comes and goes (spec 2.2)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta, PatchSpec, PatchStatus
from cdi_operator.flows.datavolume import observe, plan
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    CSI,
    HONOURS_WAIT,
    HTTP,
    KEY,
    LOCAL,
    NAME,
    NS,
    SETTINGS,
    SOURCE_NAME,
    data_volume,
    default_class,
    deleting,
    having,
    import_source,
    legacy,
    listing,
    noted,
    prime,
    profile,
    target,
)
from tests.unit.world import NOW, World

DONE = {names.POD_PHASE: "Succeeded"}
DECIDED = {names.USE_POPULATOR: "true"}
CLAIM = ("PersistentVolumeClaim", NS, NAME)
SOURCE = ("VolumeImportSource", NS, SOURCE_NAME)


def look(*objects):
    return plan(observe(World(*objects), KEY), SETTINGS, NOW)


def kinds(actions):
    return [type(action) for action in actions]


def warnings(actions):
    return [(each.reason, each.message) for each in actions if isinstance(each, Emit) and each.type == "Warning"]


def look_again(world):
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    world.apply(actions)
    return actions


def shown(world):
    """Phase, and the words of Bound and of Ready."""
    status = world.get("DataVolume", NAME, NS)["status"]
    bound, ready, _ = status["conditions"]
    return status.get("phase", ""), *(
        (each["status"], each.get("reason", ""), each.get("message", "")) for each in (bound, ready)
    )


def test_a_new_data_volume():
    """The decision, the source, the claim; what became of it is told at the next look."""
    assert kinds(look(*CSI, data_volume())) == [PatchMeta, Create, Create]
    assert kinds(look(*LOCAL, data_volume())) == [PatchMeta, Create]
    assert kinds(look(*CSI, noted(data_volume(), DECIDED))) == [Create, Create]
    assert kinds(look(*CSI, noted(data_volume(), DECIDED), import_source())) == [Create]


@pytest.mark.parametrize("found", [(), (target(),), (target("Bound", DONE), import_source())])
def test_one_that_goes_is_left_to_the_garbage_collector(found):
    assert look(*CSI, deleting(data_volume(), "foregroundDeletion"), *found) == ()


@pytest.mark.parametrize(
    ("claim", "source", "wanted"),
    [
        # claim                   its source is there   what is done about the source
        (target(), False, [Create]),
        (target(), True, []),
        (target(annotations=DONE), True, []),
        (target("Bound"), False, [Create]),
        (target("Bound", DONE), True, [Delete]),
        (target("Bound", DONE), False, []),
        (legacy("Bound"), False, []),
        (legacy("Bound", DONE), False, []),
    ],
)
def test_the_population_source_is_there_until_the_claim_is_filled(claim, source, wanted):
    actions = look(*CSI, data_volume(), claim, *([import_source()] if source else []))
    assert [kind for kind in kinds(actions) if kind in (Create, Delete)] == wanted


@pytest.mark.parametrize(
    ("asked", "known", "wanted"),
    [
        # list of the DataVolume             of its source          what is written there
        (listing("one"), listing("one"), []),
        (listing("one", "two"), listing("one"), [listing("one", "two")]),
        (listing("one", final=True), listing("one"), [{"finalCheckpoint": True}]),
        (listing("one"), listing("one", final=True), [{"finalCheckpoint": None}]),
        ({**listing("one"), "finalCheckpoint": False}, listing("one"), []),
        ({}, listing("one"), [{"checkpoints": None}]),
        ({}, {}, []),
    ],
)
def test_the_population_source_has_the_same_stages(asked, known, wanted):
    actions = look(*CSI, data_volume(**asked), target(), import_source(**known))
    assert [action.spec for action in actions if isinstance(action, PatchSpec)] == [
        {key: value for key, value in spec.items() if value != known.get(key)} for spec in wanted
    ]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (listing("one", final=True), {**listing("one", final=True), "targetClaim": NAME}),
        ({}, dict.fromkeys(("checkpoints", "finalCheckpoint", "targetClaim"))),
    ],
)
def test_a_source_with_stages_is_for_one_claim(asked, wanted):
    _, source, _ = (action for action in look(*CSI, data_volume(**asked)))
    assert {key: source.object["spec"].get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("on_claim", "on_volume", "wanted"),
    [
        ({names.VDDK_VERSION: "8", names.VDDK_HOST: "esx"}, {}, {names.VDDK_VERSION: "8", names.VDDK_HOST: "esx"}),
        ({names.VDDK_VERSION: "8"}, {names.VDDK_VERSION: "7"}, {names.VDDK_VERSION: "8"}),
        ({names.VDDK_VERSION: "8"}, {names.VDDK_VERSION: "8"}, None),
        ({}, {names.VDDK_VERSION: "8"}, None),
    ],
)
def test_what_the_library_of_vmware_says_is_on_the_data_volume(on_claim, on_volume, wanted):
    actions = look(*CSI, noted(data_volume(), on_volume), target(annotations=on_claim), import_source())
    notes = [action.annotations for action in actions if isinstance(action, PatchMeta)]
    assert notes == ([wanted] if wanted else [])


# Whose claim it is --------------------------------------------------------------------------------------------------

EXISTS = 'Resource "disk" already exists and is not managed by DataVolume'
MARKED = 'Resource "disk" marked for deletion'


@pytest.mark.parametrize(
    ("claim", "reason", "message"),
    [
        (having(legacy("Bound"), metadata={"ownerReferences": None}), "ErrResourceExists", EXISTS),
        (having(prime(), metadata={"name": NAME}), "ErrResourceExists", EXISTS),
        (deleting(target()), "ErrResourceMarkedForDeletion", MARKED),
        (deleting(target("Bound", DONE)), "ErrResourceMarkedForDeletion", MARKED),
        (deleting(having(legacy(), metadata={"ownerReferences": None})), "ErrResourceMarkedForDeletion", MARKED),
    ],
)
def test_a_claim_that_is_not_to_be_had(claim, reason, message):
    world = World(*CSI, data_volume(), claim)
    before = world.get(CLAIM[0], NAME, NS)
    first = look_again(world)
    assert kinds(first) == [PatchStatus, Emit]
    assert warnings(first) == [(reason, message)]
    assert shown(world) == ("", ("False", reason, message), ("False", "", ""))
    assert look_again(world) == ()
    assert world.get(CLAIM[0], NAME, NS) is before


def test_when_the_stranger_goes_the_claim_is_made():
    world = World(*CSI, data_volume(), having(legacy("Bound"), metadata={"ownerReferences": None}))
    look_again(world)
    world.delete(CLAIM[0], NAME, NS)
    assert kinds(look_again(world)) == [PatchMeta, Create, Create]
    look_again(world)
    assert shown(world)[:2] == ("Pending", ("False", "Pending", "PVC disk Pending"))


# What may not be made -----------------------------------------------------------------------------------------------

QUOTA = 'persistentvolumeclaims "disk" is forbidden: exceeded quota: q, requested: requests.storage=1Gi'
FORBIDDEN = 'persistentvolumeclaims "disk" is forbidden'
LIMITED = f"{FORBIDDEN}: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"
INVALID = 'PersistentVolumeClaim "disk" is invalid: spec.accessModes: Required value'


@pytest.mark.parametrize("refused", [CLAIM, SOURCE], ids=["the claim", "its source"])
@pytest.mark.parametrize(
    ("message", "phase", "reason", "ready"),
    [
        (QUOTA, "Pending", "ErrExceededQuota", ("False", "ErrExceededQuota", QUOTA)),
        (INVALID, "", "ErrClaimNotValid", ("False", "", "")),
        (LIMITED, "", "ErrClaimNotValid", ("False", "", "")),
    ],
)
def test_refused(refused, message, phase, reason, ready):
    world = World(*CSI, HONOURS_WAIT, data_volume())
    world.refusals[refused] = Refusal(None, "Forbidden", message, NOW)
    first = look_again(world)
    assert kinds(first)[:2] == [PatchStatus, Emit], "told first"
    assert kinds(first)[-1] is Create, "and tried again"
    assert warnings(first) == [(reason, message)]
    assert shown(world) == (phase, ("False", reason, message), ready)
    assert warnings(look_again(world)) == [], "told once"
    assert set(kinds(look_again(world))) == {Create}
    del world.refusals[refused]
    look_again(world)
    look_again(world)
    assert shown(world) == ("Pending", ("False", "Pending", "PVC disk Pending"), ("False", "", ""))


NO_CLASS = "PVC spec is missing accessMode and no storageClass to choose profile"
SIZE = {"resources": {"requests": {"storage": "1Gi"}}}


def test_a_claim_that_cannot_be_rendered_is_when_the_class_comes():
    world = World(data_volume(storage=SIZE))
    assert kinds(look_again(world)) == [PatchStatus, Emit]
    assert shown(world) == ("", ("False", "ErrClaimNotValid", NO_CLASS), ("False", "", ""))
    assert look_again(world) == (), "not tried by backoff"
    world.add(default_class("csi"))
    assert warnings(look_again(world)) == [
        ("ErrClaimNotValid", "no accessMode specified in StorageProfile csi"),
        (
            "ErrClaimNotValid",
            "Spec is missing accessMode and volumeMode, cannot get access mode from StorageProfile csi",
        ),
    ]
    world.add(profile("csi", ("ReadWriteOnce", "Filesystem")))
    assert Create in kinds(look_again(world))


def test_a_claim_deleted_under_a_finished_data_volume_is_made_and_filled_anew():
    world = World(*CSI, HONOURS_WAIT, noted(data_volume(phase="Succeeded", status={"progress": "100.0%"}), DECIDED))
    assert kinds(look_again(world)) == [Create, Create]
    look_again(world)
    status = world.get("DataVolume", NAME, NS)["status"]
    assert (status["phase"], status["progress"]) == ("Pending", "N/A")


def test_without_a_class_it_waits_like_a_new_one():
    """Those are looked at when a class comes: a phase of its earlier life would keep it from that."""
    world = World(data_volume(storage=SIZE, phase="Succeeded"))
    look_again(world)
    assert shown(world)[:2] == ("", ("False", "ErrClaimNotValid", NO_CLASS))


@pytest.mark.parametrize(
    ("source", "spec", "asked"),
    [
        ({"upload": {}}, {}, "source 'upload'"),
        ({"pvc": {"namespace": "a", "name": "b"}}, {}, "source 'pvc'"),
        (None, {"sourceRef": {"kind": "DataSource", "name": "s"}}, "a sourceRef"),
        (None, {}, "no source"),
    ],
)
def test_sources_of_later_releases(source, spec, asked):
    text = f"a DataVolume with {asked} is not supported by this release"
    world = World(*CSI, data_volume(source, **spec))
    assert warnings(look_again(world)) == [("SourceNotSupported", text)]
    assert shown(world) == ("", ("False", "SourceNotSupported", text), ("False", "", ""))
    assert look_again(world) == ()


REGISTRY = {"registry": {"url": "docker://registry.example.com/fedora:40"}}
TYPE = "instancetype.kubevirt.io/default-instancetype"
PREFERENCE = "instancetype.kubevirt.io/default-preference"
OF_IMAGE = {TYPE: "u1.medium", PREFERENCE: "fedora", "test.kubevirt.io/test": "x", "team": "blue"}


@pytest.mark.parametrize(
    ("source", "own", "claim", "wanted"),
    [
        # source    labels of the DataVolume    its claim                  what of the claim's labels it gets
        (REGISTRY, {}, target("Bound", DONE), {TYPE: "u1.medium", PREFERENCE: "fedora"}),
        (REGISTRY, {TYPE: "mine"}, target("Bound", DONE), {PREFERENCE: "fedora"}),
        (REGISTRY, {TYPE: "mine", PREFERENCE: ""}, target("Bound", DONE), {}),
        (REGISTRY, {}, legacy("Bound", DONE), {TYPE: "u1.medium", PREFERENCE: "fedora"}),
        (REGISTRY, {}, target(), {}),
        (HTTP, {}, target("Bound", DONE), {}),
    ],
)
def test_labels_of_an_image(source, own, claim, wanted):
    """Spec 2.2 step 8. Those of other kinds stay on the claim."""
    volume = having(data_volume(source), metadata={"labels": own})
    world = World(*CSI, volume, having(claim, metadata={"labels": OF_IMAGE}), import_source())
    patches = [action for action in look_again(world) if isinstance(action, PatchMeta)]
    assert [patch.labels for patch in patches] == ([wanted] if wanted else [])
    assert [action for action in look_again(world) if isinstance(action, PatchMeta)] == [], "once"


def test_nothing_to_look_at():
    assert observe(World(*CSI), KEY) is None
