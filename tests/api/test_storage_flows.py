"""The flows around storage classes on a real API server: what they plan is what the kinds let them write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cdi_operator.cluster.apply import Applier
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.events import Recorder
from cdi_operator.flows import config, storageprofile
from cdi_operator.flows.actions import Plan, Ref
from cdi_operator.flows.settings import Settings

SETTINGS = Settings(namespace="cdi", importer_image="importer", version="v1")
NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
KINDS = ("StorageClass", "StorageProfile", "CDI", "CDIConfig", "Ingress", "PersistentVolume", "Secret")


async def seen(client: Client) -> Cache:
    cache = Cache()
    for kind in KINDS:
        async for page, _ in client.list(kind):
            for obj in page:
                cache.put(obj)
    return cache


async def settle(client: Client, cache: Cache, flow: Any, key: tuple[str, str]) -> list[Plan]:
    """Plans and carries out until there is nothing left to do; four rounds are more than either flow needs."""
    applier = Applier(client, cache, Recorder(client, lambda: NOW))
    done: list[Plan] = []
    while (state := flow.observe(cache, key)) and (asked := flow.plan(state, SETTINGS, NOW)):
        assert len(done) < 4, f"still asking: {asked}"
        await applier.carry_out(asked)
        done.append(asked)
    return done


@pytest.fixture
async def storage_class(client: Client, namespace: str) -> str:
    """A StorageClass of the test's own, called as its namespace."""
    await client.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": namespace},
            "provisioner": "ebs.csi.aws.com",
            "parameters": {"type": "io2"},
        }
    )
    return namespace


async def test_a_profile_is_made_kept_and_taken_away(client: Client, storage_class: str) -> None:
    cache = await seen(client)
    await settle(client, cache, storageprofile, ("", storage_class))
    profile = await client.get("StorageProfile", storage_class)
    assert profile is not None
    assert profile["status"]["claimPropertySets"][0] == {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"}
    assert profile["status"]["conditions"][0]["reason"] == "RecognizedProvisioner"
    assert profile["metadata"]["annotations"] == {"cdi.kubevirt.io/minimumSupportedPvcSize": "4Gi"}

    again = await seen(client)
    assert await settle(client, again, storageprofile, ("", storage_class)) == [], "a restart finds nothing to do"

    await client.delete(Ref("storage.k8s.io/v1", "StorageClass", storage_class))
    await settle(client, await seen(client), storageprofile, ("", storage_class))
    assert await client.get("StorageProfile", storage_class) is None


async def test_the_config_follows_the_classes(client: Client, storage_class: str) -> None:
    await settle(client, await seen(client), config, ("", "config"))
    made = await client.get("CDIConfig", "config")
    assert made is not None
    assert made["status"]["filesystemOverhead"]["storageClass"][storage_class] == "0.06"
    assert made["status"]["defaultPodResourceRequirements"]["limits"] == {"cpu": "750m", "memory": "600M"}

    ref = Ref.of(made)
    await client.patch(ref, {"spec": {"filesystemOverhead": {"storageClass": {storage_class: "0.2"}}}})
    await settle(client, await seen(client), config, ("", "config"))
    told = await client.get("CDIConfig", "config")
    assert told is not None
    assert told["status"]["filesystemOverhead"]["storageClass"][storage_class] == "0.2"
    assert await settle(client, await seen(client), config, ("", "config")) == []

    await client.delete(Ref("storage.k8s.io/v1", "StorageClass", storage_class))
    await settle(client, await seen(client), config, ("", "config"))
    left = await client.get("CDIConfig", "config")
    assert left is not None
    assert storage_class not in left["status"]["filesystemOverhead"]["storageClass"]


async def test_the_settings_of_a_cdi_object_become_those_of_the_config(client: Client) -> None:
    """What was set before it came is taken over once; then it decides, and other edits are undone (spec 8.3)."""
    ref = Ref("cdi.kubevirt.io/v1beta1", "CDIConfig", "config")
    if await client.get(ref.kind, ref.name):
        # Another test's CDI object may have owned it.
        await client.delete(ref)
    await settle(client, await seen(client), config, ("", "config"))
    await client.patch(ref, {"spec": {"scratchSpaceStorageClass": "before"}})
    cdi = Ref.of(
        await client.create(
            {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "CDI", "metadata": {"name": "cdi"}, "spec": {}}
        )
    )
    try:
        await settle(client, await seen(client), config, ("", "config"))
        taken = await client.get("CDI", "cdi") or {}
        assert taken["spec"]["config"]["scratchSpaceStorageClass"] == "before"
        assert "cdi.kubevirt.io/configAuthority" in taken["metadata"]["annotations"]

        decided = {"featureGates": ["HonorWaitForFirstConsumer"], "podResourceRequirements": {"limits": {"cpu": "2"}}}
        await client.patch(cdi, {"spec": {"config": None}})
        await client.patch(cdi, {"spec": {"config": decided}})
        await client.patch(ref, {"spec": {"preallocation": True}})
        await settle(client, await seen(client), config, ("", "config"))
        told = await client.get("CDIConfig", "config") or {}
        assert told["spec"] == decided
        assert told["status"]["defaultPodResourceRequirements"]["limits"] == {"cpu": "2", "memory": "600M"}
        assert told["status"]["preallocation"] is False
        assert [owner["kind"] for owner in told["metadata"]["ownerReferences"]] == ["CDI"]
    finally:
        await client.delete(cdi)
