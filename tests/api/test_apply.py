"""Plans carried out on a real API server: what is done, what the next look sees, and what a refusal does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from cdi_operator.cluster.apply import Applier
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import REQUESTS, Client
from cdi_operator.cluster.errors import ApiError, Stale
from cdi_operator.cluster.events import Recorder
from cdi_operator.cluster.informer import followed
from cdi_operator.flows.actions import (
    Create,
    Delete,
    Ensure,
    Look,
    PatchMeta,
    PatchSpec,
    PatchStatus,
    Plan,
    Ref,
    Seen,
    Wait,
)
from tests.api.apiserver import ControlPlane
from tests.api.conftest import eventually
from tests.api.objects import CLAIM, claim, data_volume

LABELS = {"app": "containerized-data-importer"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2025, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def applier(client: Client, cache: Cache, clock: Clock) -> Applier:
    return Applier(client, cache, Recorder(client, clock), clock)


def pod(namespace: str, labels: dict[str, str], name: str = "importer-disk") -> dict[str, Any]:
    container = {"name": "importer", "image": "cdi-importer"}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}


def requests() -> float:
    return sum(
        sample.value for metric in REQUESTS.collect() for sample in metric.samples if sample.name.endswith("_total")
    )


async def test_the_next_look_sees_our_own_writes(applier: Applier, cache: Cache, namespace: str) -> None:
    await applier.carry_out((Create(data_volume(namespace)), Ensure(claim(namespace))))
    ref = Ref.of(cache.get("DataVolume", "vm-disk", namespace) or {})
    await applier.carry_out((PatchStatus(ref, {"phase": "Pending"}), PatchMeta(ref, annotations={"seen": "yes"})))
    seen = cache.get("DataVolume", "vm-disk", namespace) or {}
    assert seen["status"]["phase"] == "Pending"
    assert seen["metadata"]["annotations"] == {"seen": "yes"}
    assert cache.get(CLAIM, "disk", namespace)


@pytest.mark.parametrize(("own", "kept"), [("elsewhere", False), ("", True)])
async def test_only_what_is_followed_is_kept(
    own: str, kept: bool, client: Client, cache: Cache, clock: Clock, namespace: str
) -> None:
    """A copy of a ConfigMap beside each worker would stay in memory: nobody tells when it goes."""
    applier = Applier(client, cache, Recorder(client, clock), clock, followed(own))
    copy = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "copy", "namespace": namespace}}
    await applier.carry_out((Ensure(copy),))
    assert await client.get("ConfigMap", "copy", namespace)
    assert (cache.get("ConfigMap", "copy", namespace) is not None) == kept


async def test_nothing_is_made_on_a_claim_that_has_changed_meanwhile(
    applier: Applier, cache: Cache, client: Client, namespace: str
) -> None:
    """To ask for that changes nothing on the claim itself; but the first patch of all does, whatever is in it."""
    await applier.carry_out((Create(claim(namespace)),))
    await applier.carry_out((PatchMeta(Ref.of(cache.get(CLAIM, "disk", namespace) or {}), annotations={"a": "1"}),))
    found = cache.get(CLAIM, "disk", namespace) or {}
    seen = Seen(Ref.of(found), found["metadata"]["resourceVersion"])
    await applier.carry_out((Create(data_volume(namespace), seen),))
    assert cache.get("DataVolume", "vm-disk", namespace)
    theirs = await client.patch(seen.ref, {"metadata": {"annotations": {"theirs": "1"}}})
    assert int(theirs["metadata"]["resourceVersion"]) > int(seen.resource_version)
    with pytest.raises(Stale):
        await applier.carry_out((Create(pod(namespace, LABELS), seen),))
    assert await client.get("Pod", "importer-disk", namespace) is None
    assert (cache.get(CLAIM, "disk", namespace) or {})["metadata"]["resourceVersion"] == seen.resource_version


async def test_what_nobody_follows_is_read_when_asked_for(applier: Applier, cache: Cache, namespace: str) -> None:
    meta = {"name": "settings", "namespace": namespace}
    await applier.carry_out((Ensure({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}}),))
    for name, wanted in (("settings", {"a": "1"}), ("none", None)):
        await applier.carry_out((Look(Ref("v1", "ConfigMap", name, namespace)),))
        found = cache.found("ConfigMap", name, namespace)
        assert found is not None
        assert (found.object["data"] if found.object else None) == wanted


async def test_a_claim_that_pods_use(
    applier: Applier, cache: Cache, clock: Clock, client: Client, namespace: str
) -> None:
    """Anybody's, and only those that are not over: nothing is made for it until the last of them is."""
    claim = Ref("v1", "PersistentVolumeClaim", "disk", namespace)
    for name, used, phase in (("runs", "disk", "Running"), ("over", "disk", "Succeeded"), ("else", "other", "Running")):
        made = pod(namespace, {}, name=name)
        made["spec"]["volumes"] = [{"name": "disk", "persistentVolumeClaim": {"claimName": used}}]
        await client.create(made)
        await client.patch(Ref("v1", "Pod", name, namespace), {"status": {"phase": phase}}, subresource="status")
    plan: Plan = (Create(pod(namespace, LABELS), unused=claim),)
    with pytest.raises(Stale):
        await applier.carry_out(plan)
    refusal = cache.refusal("Pod", "importer-disk", namespace)
    assert refusal is not None
    assert (refusal.in_use, refusal.message) == (True, f"pod {namespace}/runs using PersistentVolumeClaim disk")
    before = requests()
    assert await applier.carry_out(plan) == 1.0
    assert requests() == before, "held back"
    clock.pass_s(1)
    assert await applier.carry_out(plan) == 2.0
    assert await client.get("Pod", "importer-disk", namespace) is None
    over = Ref("v1", "Pod", "runs", namespace)
    await client.patch(over, {"status": {"phase": "Failed"}}, subresource="status")
    clock.pass_s(2)
    await applier.carry_out(plan)
    assert cache.get("Pod", "importer-disk", namespace)
    assert cache.refusal("Pod", "importer-disk", namespace) is None


async def test_an_empty_plan_makes_no_request(applier: Applier) -> None:
    before = requests()
    assert await applier.carry_out(()) is None
    assert requests() == before


async def test_the_shortest_wait_counts(applier: Applier) -> None:
    assert await applier.carry_out((Wait(60), Wait(2), Wait(5))) == 2


async def test_metadata_is_patched_as_a_whole_thought(applier: Applier, cache: Cache, namespace: str) -> None:
    await applier.carry_out((Create(claim(namespace, annotations={"drop": "1"}, finalizers=["example.com/a"])),))
    found = cache.get(CLAIM, "disk", namespace) or {}
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "uid-of-the-owner"}
    change = PatchMeta(
        Ref.of(found),
        annotations={"drop": None, "keep": "2"},
        labels=LABELS,
        finalizers=(),
        owner_references=(owner,),
        resource_version=found["metadata"]["resourceVersion"],
    )
    await applier.carry_out((change,))
    meta = (cache.get(CLAIM, "disk", namespace) or {})["metadata"]
    assert (meta["annotations"], meta["labels"], meta["ownerReferences"]) == ({"keep": "2"}, LABELS, [owner])
    assert "finalizers" not in meta


async def test_who_was_faster_is_seen_at_the_next_look(
    applier: Applier, cache: Cache, client: Client, namespace: str
) -> None:
    theirs = await client.create(claim(namespace))
    with pytest.raises(Stale):
        await applier.carry_out((Create(claim(namespace)),))
    assert (cache.get(CLAIM, "disk", namespace) or {})["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert cache.refusal(CLAIM, "disk", namespace) is None


@pytest.mark.parametrize(("labels", "followed"), [(LABELS, True), ({"app": "strange"}, False)])
async def test_a_name_held_by_what_we_do_not_follow_is_a_refusal(
    applier: Applier, cache: Cache, client: Client, namespace: str, labels: dict[str, str], followed: bool
) -> None:
    await client.create(pod(namespace, labels))
    with pytest.raises(Stale):
        await applier.carry_out((Create(pod(namespace, LABELS)),))
    refusal = cache.refusal("Pod", "importer-disk", namespace)
    assert (cache.get("Pod", "importer-disk", namespace) is not None) is followed
    assert (refusal.reason if refusal else None) == (None if followed else "AlreadyExists")


@pytest.mark.parametrize("subject", ["metadata", "spec"])
async def test_a_decision_on_an_old_version_is_stale(
    applier: Applier, client: Client, namespace: str, subject: str
) -> None:
    old = await client.create(claim(namespace))
    ref, version = Ref.of(old), old["metadata"]["resourceVersion"]
    await client.patch(ref, {"metadata": {"labels": {"moved": "on"}}})
    grown = {"resources": {"requests": {"storage": "2Gi"}}}
    change = (
        PatchMeta(ref, labels={"too": "late"}, resource_version=version)
        if subject == "metadata"
        else PatchSpec(ref, grown, resource_version=version)
    )
    with pytest.raises(Stale):
        await applier.carry_out((change,))


async def test_what_is_gone_is_forgotten(applier: Applier, cache: Cache, client: Client, namespace: str) -> None:
    await applier.carry_out((Create(data_volume(namespace)),))
    ref = Ref.of(cache.get("DataVolume", "vm-disk", namespace) or {})
    await client.delete(ref)
    with pytest.raises(Stale):
        await applier.carry_out((PatchStatus(ref, {"phase": "Pending"}),))
    assert cache.get("DataVolume", "vm-disk", namespace) is None


async def test_delete_means_this_very_object(applier: Applier, cache: Cache, client: Client, namespace: str) -> None:
    first = await client.create(data_volume(namespace))
    cache.put(first)
    await client.delete(Ref.of(first))
    second = await client.create(data_volume(namespace))
    await applier.carry_out((Delete(Ref.of(first)),))
    assert cache.get("DataVolume", "vm-disk", namespace) is None, "the one that was meant is gone"
    assert await client.get("DataVolume", "vm-disk", namespace) == second


async def test_a_deletion_is_seen_at_the_next_look(applier: Applier, cache: Cache, namespace: str) -> None:
    """At once for what has no finalizer; as being deleted for what has one (claims have pvc-protection)."""
    await applier.carry_out((Create(data_volume(namespace)), Create(claim(namespace))))
    refs = [Ref.of(cache.get(*place, namespace) or {}) for place in (("DataVolume", "vm-disk"), (CLAIM, "disk"))]
    await applier.carry_out(tuple(Delete(ref) for ref in refs))
    assert cache.get("DataVolume", "vm-disk", namespace) is None
    assert "deletionTimestamp" in (cache.get(CLAIM, "disk", namespace) or {})["metadata"]


async def test_delete_twice_is_done(applier: Applier, client: Client, namespace: str) -> None:
    ref = Ref.of(await client.create(data_volume(namespace)))
    assert await applier.carry_out((Delete(ref), Delete(ref))) is None


def set_quota(plane: ControlPlane, namespace: str, hard: str) -> None:
    """A quota on claims, with the status that a controller manager would write."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few-claims", "namespace": namespace},
        "spec": {"hard": {"persistentvolumeclaims": hard}},
    }
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    status = {"status": {"hard": {"persistentvolumeclaims": hard}, "used": {"persistentvolumeclaims": "0"}}}
    arguments = ("patch", "resourcequota", "few-claims", "-n", namespace, "--subresource=status", "--type=merge")
    plane.kubectl(*arguments, "-p", json.dumps(status))


async def is_in_force(client: Client, namespace: str) -> None:
    """Until the API server goes by the quota: it hears of it as everybody does."""

    async def refused() -> bool:
        try:
            ref = Ref.of(await client.create(claim(namespace, name="trial")))
        except ApiError as error:
            return "exceeded quota" in error.message
        await client.delete(ref)
        return False

    await eventually(refused)


async def test_a_used_up_quota_is_told_and_heals(
    applier: Applier, cache: Cache, clock: Clock, client: Client, namespace: str, control_plane: ControlPlane
) -> None:
    set_quota(control_plane, namespace, "0")
    await is_in_force(client, namespace)
    volume = Ref.of(await client.create(data_volume(namespace)))
    plan: Plan = (Create(claim(namespace)), PatchStatus(volume, {"phase": "Pending"}))

    with pytest.raises(Stale), capture_logs() as told:
        await applier.carry_out(plan)
    refusal = cache.refusal(CLAIM, "disk", namespace)
    assert refusal is not None
    assert "exceeded quota: few-claims" in refusal.message
    [refused] = [each for each in told if each["event"] == "refused"]
    assert refused["error"] == refusal.message
    assert "message" not in refused, "the log calls the event so, and keeps one of the two"
    assert cache.get("DataVolume", "vm-disk", namespace) is None, "the rest of the plan knew nothing of the refusal"

    before = requests()
    assert await applier.carry_out(plan) == 1.0
    assert requests() == before + 1, "held back: only the status was written"
    assert (cache.get("DataVolume", "vm-disk", namespace) or {})["status"]["phase"] == "Pending"

    clock.pass_s(1)
    assert await applier.carry_out(plan) == 2.0, "tried again, refused in the same words"

    set_quota(control_plane, namespace, "5")

    async def admitted() -> bool:
        clock.pass_s(60)
        return await applier.carry_out(plan) is None

    await eventually(admitted)
    assert cache.get(CLAIM, "disk", namespace)
    assert cache.refusal(CLAIM, "disk", namespace) is None


@pytest.mark.parametrize("action", [Create, Ensure])
async def test_an_invalid_object_is_told(
    applier: Applier, cache: Cache, namespace: str, action: type[Create] | type[Ensure]
) -> None:
    wanted = claim(namespace)
    wanted["spec"]["accessModes"] = ["ReadWriteSometimes"]
    with pytest.raises(Stale):
        await applier.carry_out((action(wanted),))
    refusal = cache.refusal(CLAIM, "disk", namespace)
    assert refusal is not None
    assert (refusal.reason, "ReadWriteSometimes" in refusal.message) == ("Invalid", True)


async def test_a_namespace_that_is_gone_is_no_refusal(applier: Applier, cache: Cache) -> None:
    with pytest.raises(Stale):
        await applier.carry_out((Create(claim("nowhere")),))
    assert cache.refusal(CLAIM, "disk", "nowhere") is None
