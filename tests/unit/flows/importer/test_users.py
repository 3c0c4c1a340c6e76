"""A claim that a pod uses is not written to, and its user is told which pod it is."""

from datetime import timedelta

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Emit, LookForUsers, Wait
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.view import Found
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    KEY,
    LOCAL,
    NS,
    PRIME,
    PRIME_KEY,
    SETTINGS,
    legacy,
    obj,
    owned_by,
    prime,
    target,
)
from tests.unit.world import NOW, World

IN_USE = f"pod {NS}/machine using PersistentVolumeClaim disk"


def user(claim: str, name: str = "machine", phase: str = "Running", namespace: str = NS):
    """Somebody's pod that has the claim among its volumes."""
    volumes = [{"name": "token", "projected": {}}, {"name": "disk", "persistentVolumeClaim": {"claimName": claim}}]
    return obj("Pod", name, namespace=namespace, spec={"volumes": volumes}, status={"phase": phase})


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ([], ""),
        ([user("disk")], IN_USE),
        ([user("disk", phase="Pending")], IN_USE),
        ([user("disk", phase="Unknown")], IN_USE),
        ([user("disk", "second"), user("disk")], IN_USE),
        ([user("disk", phase="Succeeded")], ""),
        ([user("disk", phase="Failed")], ""),
        ([user("other")], ""),
        ([user("disk", namespace="elsewhere")], ""),
        ([owned_by(user("disk"), "ReplicaSet", "machines", "uid-set")], IN_USE),
    ],
)
def test_who_is_in_the_way(pods, told):
    world = World(*LOCAL, legacy("Bound"), *pods)
    actions = plan(observe(world, KEY), SETTINGS, NOW)
    if not told:
        assert [type(action) for action in actions] == [Create]
        return
    patch, event, wait = actions
    assert patch.annotations == {
        names.RUNNING: "false",
        names.RUNNING_REASON: "ImportTargetInUse",
        names.RUNNING_MESSAGE: told,
    }
    assert event == Emit(patch.ref, "Warning", "ImportTargetInUse", told, "import-controller")
    assert wait == Wait(5)


def test_our_own_worker_is_not_in_the_way():
    """It may be there before we see it: the API server had made it when its answer got lost."""
    world = World(*LOCAL, legacy("Bound"))
    ours = owned_by(user("disk", "importer-disk"), "PersistentVolumeClaim", "disk", CLAIM_UID)
    world.seen["PodList", NS, "disk"] = Found({"items": [ours]}, NOW)
    assert [type(action) for action in plan(observe(world, KEY), SETTINGS, NOW)] == [Create]


def test_it_is_told_once_and_begins_when_the_pod_is_over():
    world = World(*LOCAL, legacy("Bound"), user("disk"))
    world.apply(plan(observe(world, KEY), SETTINGS, NOW))
    assert plan(observe(world, KEY), SETTINGS, NOW) == (Wait(5),)
    world.edit("Pod", "machine", {"status": {"phase": "Succeeded"}}, NS)
    assert [type(action) for action in plan(observe(world, KEY), SETTINGS, NOW)] == [Create]


@pytest.mark.parametrize(("ago_s", "asked_again"), [(0, False), (4.9, False), (5, True), (3600, True), (None, True)])
def test_pods_are_asked_for_just_before_it_matters(ago_s, asked_again):
    world = World(*LOCAL, legacy("Bound"))
    before = None if ago_s is None else Found({"items": []}, NOW - timedelta(seconds=ago_s))
    world.seen["PodList", NS, "disk"] = before
    (action,) = plan(observe(world, KEY), SETTINGS, NOW)
    assert isinstance(action, LookForUsers) == asked_again


def test_nobody_can_use_a_hidden_claim():
    world = World(*CSI, target(), prime("Bound"), user(PRIME))
    assert [type(action) for action in plan(observe(world, PRIME_KEY), SETTINGS, NOW)] == [Create]
