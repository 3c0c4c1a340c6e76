"""A claim that a pod uses is not written to, and its user is told which pod it is."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.cluster.errors import Stale
from cdi_operator.flows.actions import Create, Emit, PatchMeta
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.view import Refusal
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
from tests.unit.flows.simulation import ApiServer, Controller, run
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
        # Our own worker may be there before we see it: its making was not answered.
        ([owned_by(user("disk"), "PersistentVolumeClaim", "disk", CLAIM_UID)], ""),
        ([owned_by(user("disk"), "ReplicaSet", "machines", "uid-set")], IN_USE),
    ],
)
def test_who_is_in_the_way(pods, told):
    world = World(*LOCAL, legacy("Bound"))
    wanted = plan(observe(world, KEY), SETTINGS, NOW)
    for pod in pods:
        world.add(pod)
    controller = Controller(ApiServer(world))
    if not told:
        run(controller.applier.carry_out(wanted))
        assert world.get("Pod", "importer-disk", NS)
        return
    with pytest.raises(Stale):
        run(controller.applier.carry_out(wanted))
    assert world.get("Pod", "importer-disk", NS) is None
    refusal = controller.cache.refusal("Pod", "importer-disk", NS)
    assert (refusal.in_use, refusal.message) == (True, told)


def test_it_is_told_and_asked_for_again():
    world = World(*LOCAL, legacy("Bound"))
    world.refusals["Pod", NS, "importer-disk"] = Refusal(None, "InUse", IN_USE, NOW)
    patch, event, create = plan(observe(world, KEY), SETTINGS, NOW)
    assert isinstance(patch, PatchMeta)
    assert patch.annotations == {
        names.RUNNING: "false",
        names.RUNNING_REASON: "ImportTargetInUse",
        names.RUNNING_MESSAGE: IN_USE,
    }
    assert event == Emit(patch.ref, "Warning", "ImportTargetInUse", IN_USE, "import-controller")
    assert isinstance(create, Create)
    assert create.unused == patch.ref
    world.apply((patch,))
    assert [type(action) for action in plan(observe(world, KEY), SETTINGS, NOW)] == [Create]


def test_nobody_can_use_a_hidden_claim():
    world = World(*CSI, target(), prime("Bound"), user(PRIME))
    (create,) = plan(observe(world, PRIME_KEY), SETTINGS, NOW)
    assert create.unused is None
