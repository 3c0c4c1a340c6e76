"""When a claim gets its worker, what of the worker's fate is written on the claim, and when the worker goes (spec 2.5,
2.6, 3.1).
"""

from dataclasses import replace

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Delete, Emit, PatchMeta, Wait
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.seen import timestamp, worker
from cdi_operator.flows.transfer import Reading, Transfer
from cdi_operator.flows.transfer import noted as noted_on
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    LOCAL_WAITS,
    NO_GATES,
    NS,
    POD_UID,
    PRIME,
    PRIME_KEY,
    PRIME_UID,
    RUNNING,
    SETTINGS,
    SUCCEEDED,
    UNSCHEDULABLE,
    deleting,
    ended,
    having,
    legacy,
    noted,
    obj,
    pod,
    prime,
    report,
    running,
    target,
    terminated,
    waiting,
)
from tests.unit.world import NOW, World

DONE = {names.POD_PHASE: "Succeeded"}
FATAL = {names.FATAL_ERROR: "true"}
RETAIN = {names.POD_RETAIN: "true"}
AT_ONCE = {names.IMMEDIATE_BIND: "false"}
PLACED = {names.SELECTED_NODE: "node-1"}
UNPLACED = having(pod(), status=UNSCHEDULABLE)
YOUNG = {"creationTimestamp": "2025-06-01T11:59:56Z"}


def look(*objects, key=PRIME_KEY):
    world = World(*objects)
    state = observe(world, key)
    return plan(state, SETTINGS, NOW) if state else None


def kinds(actions):
    return actions if actions is None else [type(action) for action in actions]


def notes_after(*objects, key=PRIME_KEY):
    """What is on the claim when the plan is carried out."""
    world = World(*objects)
    world.apply(plan(observe(world, key), SETTINGS, NOW))
    return world.get("PersistentVolumeClaim", key[1], NS)["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("claim", "looked_after"),
    [
        (legacy(), True),
        (noted(legacy(), {names.SOURCE: None}), True),
        (noted(legacy(), {names.ENDPOINT: None}), True),
        (noted(legacy(), {names.SOURCE: None, names.ENDPOINT: None}), False),
        (target(), False),
        (target("Bound", {names.ENDPOINT: "http://x"}), False),
        (target("Bound", {names.ENDPOINT: "http://x", names.USE_POPULATOR: None}), False),
        (noted(legacy(), {names.EXTERNAL_POPULATION: "true"}), False),
    ],
)
def test_which_claims_are_ours(claim, looked_after):
    assert (observe(World(*CSI, claim), KEY) is not None) == looked_after


@pytest.mark.parametrize(
    ("claim", "storage", "gates", "starts"),
    [
        # claim                      class        gates          its pod is made
        (legacy("Pending"), LOCAL, HONOURS_WAIT, False),
        (legacy("Pending"), LOCAL, NO_GATES, False),
        (legacy("Bound"), LOCAL, HONOURS_WAIT, True),
        (legacy("Lost"), LOCAL, HONOURS_WAIT, False),
        (legacy("Pending"), LOCAL_WAITS, HONOURS_WAIT, False),
        (legacy("Pending", AT_ONCE), LOCAL_WAITS, HONOURS_WAIT, True),
        (legacy("Pending", {**AT_ONCE, **PLACED}), LOCAL_WAITS, HONOURS_WAIT, False),
        (legacy("Pending"), LOCAL_WAITS, NO_GATES, True),
        (legacy("Pending", PLACED), LOCAL_WAITS, NO_GATES, False),
        (legacy("Bound"), LOCAL_WAITS, HONOURS_WAIT, True),
        (legacy("Bound"), (), HONOURS_WAIT, True),
        (legacy("Pending"), (), NO_GATES, False),
        (prime("Pending"), CSI, HONOURS_WAIT, False),
        (prime("Bound"), CSI, HONOURS_WAIT, True),
        (prime("Pending"), CSI_WAITS, HONOURS_WAIT, True),
        (prime("Pending", PLACED), CSI_WAITS, HONOURS_WAIT, False),
        (prime("Bound", PLACED), CSI_WAITS, HONOURS_WAIT, True),
        # finished, given up, going
        (prime("Bound", DONE), CSI, HONOURS_WAIT, False),
        (prime("Bound", FATAL), CSI, HONOURS_WAIT, False),
        (deleting(prime("Bound")), CSI, HONOURS_WAIT, False),
    ],
)
def test_start(claim, storage, gates, starts):
    key = (NS, claim["metadata"]["name"])
    assert kinds(look(*storage, gates, target(), claim, key=key)) == ([Create] if starts else [])


@pytest.mark.parametrize(
    ("claim", "worker", "wanted"),
    [
        # claim                                worker     what becomes of the worker
        (prime("Bound", DONE), SUCCEEDED, [Delete]),
        (prime("Bound", DONE), deleting(SUCCEEDED, "f"), []),
        (prime("Bound", {**DONE, **RETAIN}), SUCCEEDED, []),
        (prime("Bound", FATAL), SUCCEEDED, [Delete]),
        (prime("Bound", {**FATAL, **RETAIN}), SUCCEEDED, []),
        (prime("Lost", DONE), SUCCEEDED, [Delete]),
        (prime("Lost"), RUNNING, [Delete]),
        (prime("Lost", RETAIN), SUCCEEDED, []),
        (deleting(prime("Bound")), RUNNING, [Delete]),
        (deleting(prime("Bound", RETAIN)), RUNNING, [Delete]),
        (deleting(prime("Bound", {**DONE, **RETAIN})), SUCCEEDED, [Delete]),
        (deleting(prime("Bound")), deleting(RUNNING, "f"), []),
        (deleting(prime("Bound")), None, []),
        # failed as a whole: told, then replaced; not before it is ten seconds old, and not again while it goes
        (prime("Bound"), pod("Failed"), [PatchMeta, Delete]),
        (prime("Bound"), having(pod("Failed"), metadata=YOUNG), [PatchMeta, Wait]),
        (prime("Bound"), deleting(pod("Failed"), "f"), [PatchMeta]),
        (prime("Pending"), pod("Failed"), [Delete]),
        # the disk was written before the pod was lost
        (prime("Bound"), pod("Failed", terminated(message=report())), [PatchMeta]),
    ],
)
def test_removal(claim, worker, wanted):
    found = (worker,) if worker else ()
    assert kinds(look(*CSI_WAITS, HONOURS_WAIT, target(), claim, *found)) == wanted


def test_a_pod_that_failed_at_once_waits_for_its_successor():
    *_, wait = look(*CSI, target(), prime("Bound"), having(pod("Failed"), metadata=YOUNG))
    assert wait == Wait(6.0)


@pytest.mark.parametrize(
    ("notes", "container", "status", "waits"),
    [
        ({}, None, {}, True),
        ({}, waiting("ContainerCreating"), {}, False),
        ({}, None, UNSCHEDULABLE, False),
        ({names.RUNNING_REASON: "ErrExceededQuota"}, None, {}, False),
        ({names.POD_PHASE: "Pending"}, None, {}, False),
    ],
)
def test_a_new_pod_is_told_with_the_first_that_it_says(notes, container, status, waits):
    new = having(pod(container=container), metadata={"creationTimestamp": timestamp(NOW)}, status=status)
    actions = look(*CSI, target(), prime("Bound", notes), new)
    assert (Wait(2.0) in actions, PatchMeta in kinds(actions)) == (waits, not waits)


@pytest.mark.parametrize(
    ("claim", "key", "fenced"),
    [
        (prime("Bound"), PRIME_KEY, False),
        (legacy("Bound"), KEY, True),
        (legacy("Bound", {names.POPULATOR_KIND: "VolumeImportSource"}), KEY, True),
    ],
)
def test_who_lags_behind_starts_no_import_in_place_again(claim, key, fenced):
    """Whatever the claim says of itself. A hidden claim is gone when its import is over."""
    (make,) = look(*CSI, *LOCAL, target(), claim, key=key)
    assert (make.as_seen is not None) == fenced


def test_somebody_elses_pod_is_neither_followed_nor_removed():
    strangers = pod("Running", running(), owner="uid-other")
    assert kinds(look(*CSI, target(), prime("Bound"), strangers)) == [Create]
    assert kinds(look(*CSI, target(), prime("Bound", DONE), strangers)) == []


@pytest.mark.parametrize(
    ("worker", "wanted"),
    [
        (pod(), {"pod.phase": "Pending", "pod.ready": "false", "pod.restarts": "0", "pod.schedulable": "true"}),
        (pod(), {"import.importPodName": f"importer-{PRIME}", "condition.running": "false"}),
        (UNPLACED, {"pod.schedulable": "false", "condition.running.reason": "Unschedulable"}),
        (RUNNING, {"pod.phase": "Running", "pod.ready": "true", "condition.running": "true"}),
        (RUNNING, {"condition.running.reason": "Pod is running", "condition.running.message": ""}),
        (pod("Running", running(3)), {"pod.restarts": "3"}),
        (
            pod("Running", waiting("CrashLoopBackOff", "", 1, ended(1, "no route"))),
            {"pod.phase": "Running", "condition.running": "false", "condition.running.message": "no route"},
        ),
        (SUCCEEDED, {"pod.phase": "Succeeded", "condition.running": "false", "condition.running.reason": "Completed"}),
        (SUCCEEDED, {"condition.running.message": "Import Complete", "preallocation": None, "import.fatalError": None}),
        (pod("Succeeded", terminated(message=report(preallocation_applied=True))), {"preallocation": "true"}),
        (
            pod("Succeeded", terminated(message=report("checksum validation failed", error="fatal"))),
            {"pod.phase": "Failed", "import.fatalError": "true", "condition.running.reason": "ChecksumError"},
        ),
    ],
)
def test_told_on_the_claim(worker, wanted):
    notes = notes_after(*CSI, HONOURS_WAIT, target(), prime("Bound"), worker)
    assert {key: notes.get(f"cdi.kubevirt.io/storage.{key}") for key in wanted} == wanted


@pytest.mark.parametrize(
    ("noted_before", "restarts", "wanted"),
    [("5", 1, "5"), ("1", 5, "5"), ("", 2, "2"), ("many", 2, "2"), ("-1", 0, "0")],
)
def test_restarts_only_grow(noted_before, restarts, wanted):
    claim = prime("Bound", {names.POD_RESTARTS: noted_before})
    notes = notes_after(*CSI, target(), claim, pod("Running", running(restarts)))
    assert notes[names.POD_RESTARTS] == wanted


def test_labels_of_a_container_image_are_added_where_there_are_none():
    found = pod("Succeeded", terminated(message=report(labels={"a": "image", "b": "image"})))
    claim = having(prime("Bound"), metadata={"labels": {"a": "claim"}})
    (patch,) = look(*CSI, target(), claim, found)
    assert patch.labels == {"b": "image"}


@pytest.mark.parametrize(
    ("worker", "wanted"),
    [
        (pod(), []),
        (pod("Pending", waiting("ContainerCreating")), []),
        (UNPLACED, [PatchMeta]),
    ],
)
def test_a_claim_that_is_not_bound_is_left_to_its_provisioner(worker, wanted):
    """Whoever writes it makes the writes of provisioner and scheduler fail, and those back off for seconds."""
    assert kinds(look(*CSI_WAITS, target(), prime("Pending", PLACED), worker)) == wanted


@pytest.mark.parametrize(
    ("claim", "key", "owner", "told"),
    [
        # a hidden claim: its target shows what the worker tells; a DataVolume's own: the DataVolume does
        (prime("Bound"), PRIME_KEY, PRIME_UID, False),
        (legacy("Bound"), KEY, CLAIM_UID, False),
        (having(legacy("Bound"), metadata={"ownerReferences": None}), KEY, CLAIM_UID, True),
    ],
)
def test_who_shows_how_the_transfer_goes(claim, key, owner, told):
    world = World(*LOCAL, target(), claim, pod("Running", running(), key[1], owner))
    world.readings[POD_UID] = Reading(45.0, Transfer("transfer", "raw", 45, 100))
    world.apply(plan(observe(world, key), SETTINGS, NOW))
    shown = noted_on(observe(world, key).claim)
    assert (shown.source_bytes == 45) == told


@pytest.mark.parametrize(("owner", "told"), [("DataVolume", []), (None, ["no route. Plug it in."])])
def test_what_is_wrong_with_a_claim_of_the_users_own(owner, told):
    """Where there is a DataVolume, that tells it."""
    own = {} if owner else {"metadata": {"ownerReferences": None}}
    refused = report("no route", error="transient", hint="Plug it in.")
    crashed = pod("Running", waiting("CrashLoopBackOff", "", 1, ended(1, refused)), KEY[1], CLAIM_UID)
    world = World(*LOCAL, having(legacy("Bound"), **own), crashed)
    first = plan(observe(world, KEY), SETTINGS, NOW)
    assert [each.message for each in first if isinstance(each, Emit)] == told
    world.apply(first)
    assert plan(observe(world, KEY), SETTINGS, NOW) == ()


def test_an_error_stays_until_the_next_worker_says_something():
    refused = report("no route", error="transient", hint="Plug it in.")
    world = World(*CSI, target(), prime("Bound"), pod("Running", waiting("CrashLoopBackOff", "", 1, ended(1, refused))))

    def shown():
        world.apply(plan(observe(world, PRIME_KEY), SETTINGS, NOW))
        found = noted_on(observe(world, PRIME_KEY).claim)
        return found.message, found.error

    assert shown() == ("no route", "Transient")
    world.edit("Pod", f"importer-{PRIME}", {"status": {"phase": "Pending", "containerStatuses": None}}, NS)
    assert shown() == ("no route", "Transient")
    world.edit("Pod", f"importer-{PRIME}", {"status": SUCCEEDED["status"]}, NS)
    assert shown() == ("", "")


def test_what_is_told_already_is_not_told_again():
    world = World(*CSI, target(), prime("Bound"), RUNNING)
    world.apply(plan(observe(world, PRIME_KEY), SETTINGS, NOW))
    assert plan(observe(world, PRIME_KEY), SETTINGS, NOW) == ()


def test_what_differs_is_written_on_the_claim_as_it_was_seen():
    """The answer to the last patch got lost: what it wrote is there unseen, and would stay beside "Succeeded"."""
    world = World(*CSI, target(), prime("Bound"), RUNNING)
    stale = observe(world, PRIME_KEY)
    world.apply(plan(stale, SETTINGS, NOW))
    done = replace(stale, worker=worker(SUCCEEDED))
    world.apply(plan(done, SETTINGS, NOW))
    notes = world.get("PersistentVolumeClaim", PRIME, NS)["metadata"]["annotations"]
    assert (notes[names.POD_PHASE], notes[names.RUNNING]) == ("Running", "true"), "not half of each"


# What stands in the way -------------------------------------------------------------------------------------------

MORE = "For more information, request access to cdi-deploy logs from your sysadmin"
STARTING = f"Error starting pod 'importer-{PRIME}': {MORE}"


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1', "ErrExceededQuota"),
        ("violates PodSecurity", "ErrStartingPod"),
        ('pods "x" is forbidden: maximum memory usage per Container is 100M, but limit is 600M', "ErrStartingPod"),
        ('pods "x" already exists', "ErrStartingPod"),
    ],
)
def test_a_pod_that_may_not_be_made(refusal, reason):
    world = World(*CSI, target(), prime("Bound"))
    place = ("Pod", NS, f"importer-{PRIME}")
    world.refusals[place] = Refusal(None, "Forbidden", refusal, NOW)
    first = plan(observe(world, PRIME_KEY), SETTINGS, NOW)
    assert kinds(first) == [PatchMeta, Emit, Create]
    assert first[0].annotations == {
        names.RUNNING: "false",
        names.RUNNING_REASON: reason,
        names.RUNNING_MESSAGE: f"{STARTING}: {refusal}",
    }
    assert (first[1].type, first[1].reason, first[1].message) == ("Warning", reason, f"{STARTING}: {refusal}")
    world.apply(first)
    assert kinds(plan(observe(world, PRIME_KEY), SETTINGS, NOW)) == [Create]
    del world.refusals[place]
    world.apply(plan(observe(world, PRIME_KEY), SETTINGS, NOW))
    world.apply(plan(observe(world, PRIME_KEY), SETTINGS, NOW))
    notes = world.get("PersistentVolumeClaim", PRIME, NS)["metadata"]["annotations"]
    assert (notes[names.POD_PHASE], notes[names.RUNNING_MESSAGE]) == ("Pending", "")


def test_nothing_to_look_at():
    assert look(*CSI, key=(NS, "gone")) is None
    assert look(*CSI, obj("PersistentVolumeClaim", "plain", spec={}), key=(NS, "plain")) is None
