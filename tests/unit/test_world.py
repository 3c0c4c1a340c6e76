"""The table of objects that the flows are tested on behaves like an API server, or their tests prove nothing."""

import pytest

from cdi_operator.flows.actions import Create, Delete, Emit, Ensure, PatchMeta, PatchSpec, PatchStatus, Ref
from cdi_operator.flows.view import Refusal
from tests.unit.world import NOW, World, settle


def pod(name="p", owners=(), **meta):
    owned = {"ownerReferences": [{"uid": uid, "controller": True} for uid in owners]} if owners else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", **owned, **meta},
        "spec": {},
    }


def ref(name="p", uid=""):
    return Ref("v1", "Pod", name, "ns", uid)


def meta(world, name="p"):
    return world.get("Pod", name, "ns")["metadata"]


def test_create_fills_in_and_does_not_replace():
    world = World()
    world.apply((Create(pod()),))
    first = meta(world)
    assert first["uid"]
    assert first["resourceVersion"]
    assert first["creationTimestamp"] == "2025-06-01T12:00:00Z"
    world.apply((Create(pod(labels={"a": "b"})),))
    assert meta(world) == first


def test_refused():
    world = World()
    world.refusals["Pod", "ns", "p"] = Refusal(ref(), "Forbidden", "exceeded quota", NOW)
    world.apply((Create(pod()), Ensure(pod())))
    assert world.get("Pod", "p", "ns") is None
    assert world.refusal("Pod", "p", "ns").reason == "Forbidden"


def test_what_changes_nothing_makes_no_version():
    world = World(pod(labels={"a": "b"}))
    before = meta(world)["resourceVersion"]
    world.apply((PatchMeta(ref(), labels={"a": "b"}), PatchMeta(ref(), labels={"never": None}), Ensure(pod())))
    assert meta(world)["resourceVersion"] == before
    world.apply((PatchMeta(ref(), labels={"a": None}),))
    assert meta(world)["resourceVersion"] != before
    assert meta(world)["labels"] == {}


def test_ensure_owns_what_it_applied_and_nothing_else():
    world = World(pod(labels={"theirs": "1"}))
    world.apply((Ensure(pod(labels={"ours": "1", "old": "1"})),))
    world.apply((Ensure(pod(labels={"ours": "2"})),))
    assert meta(world)["labels"] == {"theirs": "1", "ours": "2"}


def test_ensure_keeps_other_owners():
    world = World(pod(owners=["a"]))
    world.apply((Ensure(pod(owners=["b"])),))
    assert [owner["uid"] for owner in meta(world)["ownerReferences"]] == ["a", "b"]


@pytest.mark.parametrize("action", [PatchMeta(ref(uid="other"), labels={"a": "b"}), Delete(ref(uid="other"))])
def test_another_object_of_that_name_is_left_alone(action):
    world = World(pod())
    before = world.snapshot()
    world.apply((action,))
    assert world.snapshot() == before


def test_a_decision_on_an_old_version_does_nothing():
    world = World(pod())
    version = meta(world)["resourceVersion"]
    world.apply((PatchStatus(ref(), {"phase": "Running"}), PatchSpec(ref(), {"nodeName": "n"}, version)))
    found = world.get("Pod", "p", "ns")
    assert (found["status"], found["spec"]) == ({"phase": "Running"}, {})
    world.apply((PatchSpec(ref(), {"nodeName": "n"}, found["metadata"]["resourceVersion"]),))
    assert world.get("Pod", "p", "ns")["spec"] == {"nodeName": "n"}


def test_delete_waits_for_finalizers_and_takes_what_is_owned():
    world = World(pod("owner", uid="u", finalizers=["f"]), pod("owned", owners=["u"]), pod("shared", owners=["u", "x"]))
    world.add(pod("x", uid="x"))
    world.apply((Delete(ref("owner", uid="u")),))
    assert meta(world, "owner")["deletionTimestamp"]
    assert world.get("Pod", "owned", "ns")
    world.apply((PatchMeta(ref("owner"), finalizers=()),))
    assert [each["metadata"]["name"] for each in world.all("Pod")] == ["shared", "x"]


def test_index():
    world = World(pod("owner", uid="u"), pod("owned", owners=["u"]))
    assert [each["metadata"]["name"] for each in world.by("Pod", "owner", "u")] == ["owned"]


def test_settle_stops_at_rest_and_finds_loops():
    def labels(world):
        return () if meta(world).get("labels") else (PatchMeta(ref(), labels={"a": "b"}),)

    assert len(settle(World(pod()), labels)) == 1
    world = World(pod())
    with pytest.raises(AssertionError, match="still asking"):
        settle(world, lambda _: (Emit(ref(), "Normal", "Again", "and again"),))
    assert len(world.emitted) == 10
