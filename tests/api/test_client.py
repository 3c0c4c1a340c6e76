"""The client against a real API server: each verb, and each way of being told no."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from cdi_operator.cluster.access import Access
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.flows.actions import Ref
from tests.api.apiserver import ControlPlane
from tests.api.objects import claim, data_volume


def requests_made(verb: str, kind: str, code: str) -> float:
    return REGISTRY.get_sample_value("cdi_api_requests_total", {"verb": verb, "kind": kind, "code": code}) or 0.0


async def test_get_tells_absence_from_presence(client: Client, namespace: str) -> None:
    assert await client.get("PersistentVolumeClaim", "disk", namespace) is None
    made = await client.create(claim(namespace))
    assert await client.get("PersistentVolumeClaim", "disk", namespace) == made


async def test_every_request_is_counted(client: Client, namespace: str) -> None:
    before = requests_made("get", "PersistentVolumeClaim", "404")
    await client.get("PersistentVolumeClaim", "nowhere", namespace)
    assert requests_made("get", "PersistentVolumeClaim", "404") == before + 1


async def test_list_pages_carry_kind_and_version(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdi_operator.cluster.client.PAGE", 2)
    for number in range(5):
        await client.create(claim(namespace, f"disk-{number}"))
    pages = [page async for page in client.list("PersistentVolumeClaim", namespace=namespace)]
    assert [len(objects) for objects, _ in pages] == [2, 2, 1]
    assert len({version for _, version in pages}) == 1
    assert {(obj["kind"], obj["apiVersion"]) for objects, _ in pages for obj in objects} == {
        ("PersistentVolumeClaim", "v1")
    }


async def test_selectors_reach_the_server(client: Client, namespace: str) -> None:
    await client.create(claim(namespace, "ours", labels={"app": "containerized-data-importer"}))
    await client.create(claim(namespace, "theirs"))
    labels = "app=containerized-data-importer"
    names = [
        obj["metadata"]["name"]
        async for objects, _ in client.list("PersistentVolumeClaim", namespace=namespace, labels=labels)
        for obj in objects
    ]
    assert names == ["ours"]


async def test_apply_owns_its_fields_and_only_those(client: Client, namespace: str) -> None:
    await client.create(claim(namespace, labels={"user": "theirs"}))
    ours = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    meta = {"name": "disk", "namespace": namespace}
    await client.apply({**ours, "metadata": {**meta, "labels": {"first": "1", "second": "2"}}})
    applied = await client.apply({**ours, "metadata": {**meta, "labels": {"second": "2"}}})
    assert applied["metadata"]["labels"] == {"user": "theirs", "second": "2"}
    managers = {(entry["manager"], entry["operation"]) for entry in applied["metadata"]["managedFields"]}
    assert ("cdi-controller", "Apply") in managers


async def test_status_is_patched_apart_from_the_rest(client: Client, namespace: str) -> None:
    made = await client.create(data_volume(namespace))
    patched = await client.patch(Ref.of(made), {"status": {"phase": "Pending"}}, subresource="status")
    assert patched["status"]["phase"] == "Pending"
    assert patched["spec"] == made["spec"]


async def test_merge_patch_removes_what_is_none(client: Client, namespace: str) -> None:
    made = await client.create(claim(namespace, annotations={"keep": "1", "drop": "2"}))
    patched = await client.patch(Ref.of(made), {"metadata": {"annotations": {"drop": None}}})
    assert patched["metadata"]["annotations"] == {"keep": "1"}


@pytest.mark.parametrize(
    ("wrong", "verb"),
    [
        ("uid", "patch"),
        ("uid", "delete"),
        ("resourceVersion", "patch"),
    ],
)
async def test_a_precondition_that_does_not_hold_is_a_conflict(
    client: Client, namespace: str, wrong: str, verb: str
) -> None:
    ref = Ref.of(await client.create(claim(namespace)))
    changes: dict[str, Any] = {"metadata": {"labels": {"new": "label"}}}
    if wrong == "uid":
        ref = dataclasses.replace(ref, uid="11111111-2222-3333-4444-555555555555")
    else:
        changes["metadata"]["resourceVersion"] = "1"
    with pytest.raises(ApiError) as refused:
        await (client.delete(ref) if verb == "delete" else client.patch(ref, changes))
    assert refused.value.status == 409
    found = await client.get("PersistentVolumeClaim", "disk", namespace)
    assert found is not None
    assert "labels" not in found["metadata"]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"metadata": {"name": "Not A Name"}}, 422, "Invalid"),
        ({"spec": {"accessModes": "ReadWriteOnce"}}, 400, "BadRequest"),
        ({"metadata": {"namespace": "nowhere"}}, 404, "NotFound"),
    ],
)
async def test_the_servers_words_arrive(
    client: Client, namespace: str, change: dict[str, Any], status: int, reason: str
) -> None:
    wanted = claim(namespace)
    for field, value in change.items():
        wanted[field] = {**wanted[field], **value}
    with pytest.raises(ApiError) as refused:
        await client.create(wanted)
    assert (refused.value.status, refused.value.reason) == (status, reason)
    assert refused.value.message
    assert not refused.value.transient


async def test_create_twice_is_a_conflict(client: Client, namespace: str) -> None:
    await client.create(claim(namespace))
    with pytest.raises(ApiError) as refused:
        await client.create(claim(namespace))
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


async def test_a_silent_watch_ends(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is no error: events have no bookmarks, so in a quiet cluster their watch says nothing for hours."""
    monkeypatch.setattr("cdi_operator.cluster.client.SILENCE_S", 0.5)
    versions = [version async for _, version in client.list("Event", namespace=namespace)]
    async with asyncio.timeout(20):
        assert [change async for change in client.watch("Event", versions[-1], namespace=namespace)] == []


async def test_watch_goes_on_from_a_version(client: Client, namespace: str) -> None:
    made = await client.create(claim(namespace))
    watch = client.watch("PersistentVolumeClaim", made["metadata"]["resourceVersion"], namespace=namespace)
    await client.create(claim(namespace, "later"))
    change, obj = await anext(watch)
    assert (change, obj["metadata"]["name"]) == ("ADDED", "later")
    await watch.aclose()  # type: ignore[attr-defined]


async def test_nobody_listening_is_unreachable(control_plane: ControlPlane, tmp_path: Any) -> None:
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(control_plane.kubeconfig.read_text().replace(f":{control_plane.port}", ":1"))
    async with Client(await Access.load(str(elsewhere))) as client:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1/"):
            await client.get("Namespace", "default")


async def test_what_the_fence_forbids_is_not_written(client: Client, namespace: str) -> None:
    """Reads go on, and so does what a standby has to write: for its lease, and to ask who reads its metrics."""
    made = await client.create(claim(namespace))

    def closed() -> None:
        raise Unreachable("the lease has ended")

    client.fence = closed
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": namespace}}
    for write in (
        client.create(claim(namespace, "other")),
        client.apply(claim(namespace, "applied")),
        client.patch(Ref.of(made), {"metadata": {"labels": {"a": "b"}}}),
        client.replace({**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}),
        client.delete(Ref.of(made)),
    ):
        with pytest.raises(Unreachable, match="the lease has ended"):
            await write
    assert await client.create({**lease, "spec": {"holderIdentity": "me"}})
    assert [obj async for page, _ in client.list("PersistentVolumeClaim", namespace=namespace) for obj in page] == [
        made
    ]


@pytest.mark.parametrize("answer", [b"<html>Please log in</html>", b"\x1f\x8b\x08\x00", b""])
async def test_an_answer_that_is_no_json_is_none(answer: bytes, tmp_path: Path) -> None:
    """Something on the way to the API server answered in its place."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(body=answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    clusters = [{"name": "c", "cluster": {"server": f"http://{host}:{port}"}}]
    contexts = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    users = [{"name": "u", "user": {"token": "t"}}]
    document = {"clusters": clusters, "contexts": contexts, "users": users, "current-context": "c"}
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    try:
        async with Client(await Access.load(str(tmp_path / "kubeconfig"))) as lost:
            with pytest.raises(Unreachable):
                await lost.get("PersistentVolumeClaim", "disk", "ns")
            with pytest.raises(Unreachable):
                assert [page async for page in lost.list("PersistentVolumeClaim")] == []
    finally:
        await runner.cleanup()
