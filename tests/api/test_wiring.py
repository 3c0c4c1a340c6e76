"""The whole controller against a real API server. The parts that a node would play, the tests play."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError
from cdi_operator.cluster.kinds import KINDS
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.wiring.lease import GIVE_UP_S, NAME, RENEW_S
from devcluster import binaries
from tests.api import node
from tests.api.apiserver import TOKEN, ControlPlane
from tests.api.conftest import CRDS, Start, eventually, until_still
from tests.api.controller import ControllerProcess
from tests.api.objects import CLAIM, has_hidden_claim, storage_class, volume_on

MOST_WRITES = 36
"""For one import, with six events and the two objects that every cluster gets once; 33 when this was written."""


async def test_a_data_volume_is_looked_after(client: Client, namespace: str, storage: str, start: Start) -> None:
    controller = start("one")
    await eventually(lambda: controller.leads)
    await client.create(volume_on(namespace, storage))
    await eventually(lambda: has_hidden_claim(client, namespace, "vm-disk"))

    async def told() -> bool:
        found = await client.get("DataVolume", "vm-disk", namespace)
        return bool(found and found.get("status", {}).get("phase"))

    await eventually(told)


async def test_an_import_from_the_data_volume_to_the_bound_claim(
    client: Client, namespace: str, storage: str, start: Start
) -> None:
    """The populator flow (spec 4.2), with the test as provisioner, kubelet and binder."""
    controller = start("one")
    await client.create(volume_on(namespace, storage))
    target = await appears(client, CLAIM, "vm-disk", namespace)
    prime = await appears(client, CLAIM, f"prime-{target['metadata']['uid']}", namespace)

    await at_rest(controller)
    await node.provision(client, prime)
    pod = await appears(client, "Pod", f"importer-{prime['metadata']['name']}", namespace)
    await node.run(client, pod)
    await phase_becomes(client, namespace, "ImportInProgress")
    await at_rest(controller)
    await node.succeed(client, pod)

    volume = f"pvc-{prime['metadata']['uid']}"

    async def handed_over() -> bool:
        found = await client.get("PersistentVolume", volume) or {}
        return bool(found["spec"]["claimRef"]["uid"] == target["metadata"]["uid"])

    await eventually(handed_over)
    await at_rest(controller)
    await node.bind(client, await appears(client, CLAIM, "vm-disk", namespace), volume)
    await node.lose(client, prime)
    await phase_becomes(client, namespace, "Succeeded")

    async def nothing_left() -> bool:
        hidden = await client.get(CLAIM, prime["metadata"]["name"], namespace)
        worker = await client.get("Pod", pod["metadata"]["name"], namespace)
        return all(obj is None or "deletionTimestamp" in obj["metadata"] for obj in (hidden, worker))

    await eventually(nothing_left)
    await at_rest(controller)
    writes = {call: count for call, count in controller.requests().items() if call.split()[0] not in ("get", "list")}
    assert sum(writes.values()) <= MOST_WRITES, writes


async def appears(client: Client, kind: str, name: str, namespace: str) -> Object:
    found: list[Object] = []

    async def there() -> bool:
        obj = await client.get(kind, name, namespace)
        if obj is not None:
            found.append(obj)
        return obj is not None

    await eventually(there)
    return found[-1]


async def phase_becomes(client: Client, namespace: str, phase: str) -> None:
    async def reached() -> bool:
        found = await client.get("DataVolume", "vm-disk", namespace) or {}
        return bool(found.get("status", {}).get("phase") == phase)

    await eventually(reached)


async def test_kopf_leaves_nothing_on_any_object(client: Client, namespace: str, storage: str, start: Start) -> None:
    controller = start("one")
    await client.create(volume_on(namespace, storage))
    await eventually(lambda: has_hidden_claim(client, namespace, "vm-disk"))
    await client.patch(Ref.of(await client.apply(storage_class(storage))), {"metadata": {"labels": {"touched": "yes"}}})
    await at_rest(controller)
    controller.signal(signal.SIGTERM)
    await eventually(lambda: controller.code is not None)
    everything = [obj for kind in KINDS for obj in await every(client, kind)]
    assert {obj["kind"] for obj in everything} >= {"DataVolume", CLAIM, "StorageClass", "StorageProfile", "CDIConfig"}
    assert [obj["metadata"]["name"] for obj in everything if "kopf" in json.dumps(obj)] == []


async def every(client: Client, kind: str) -> list[Object]:
    """None of a kind that this API server lacks (404), or that cannot be listed (405)."""
    try:
        return [obj async for page, _ in client.list(kind) for obj in page]
    except ApiError as error:
        if error.status not in (404, 405):
            raise
        return []


async def test_a_look_with_nothing_to_do_makes_no_request(
    client: Client, namespace: str, storage: str, start: Start
) -> None:
    controller = start("one")
    await client.create(volume_on(namespace, storage))
    await eventually(lambda: has_hidden_claim(client, namespace, "vm-disk"))
    await at_rest(controller)
    before, looks = controller.requests(), controller.metric("cdi_reconciles_total")

    target = Ref.of(await client.get(CLAIM, "vm-disk", namespace) or {})
    volume = Ref.of(await client.get("DataVolume", "vm-disk", namespace) or {})

    async def touched(ref: Ref, looks: float) -> None:
        await client.patch(ref, {"metadata": {"labels": {"of-no-interest": "to-us"}}})
        await eventually(lambda: controller.metric("cdi_reconciles_total") >= looks)

    # One after the other: what waits for a look does not wait twice. The claim is that of two flows.
    await touched(target, looks + 2)
    await touched(volume, looks + 3)
    await at_rest(controller)
    assert controller.requests() == before


async def at_rest(controller: ControllerProcess) -> None:
    """Until no key was looked at for a second."""
    await until_still(lambda: controller.metric("cdi_reconciles_total"), 1.0)


async def test_an_api_server_that_restarts_is_no_reason_to_restart(
    client: Client, namespace: str, storage: str, start: Start, control_plane: ControlPlane
) -> None:
    """Work goes on with what was waiting; what was deleted meanwhile is noticed, also by kopf's watches."""
    vanishing = f"vanishing-{namespace}"
    await client.apply(storage_class(vanishing))
    controller = start("one")

    async def has_profile(name: str) -> bool:
        return await client.get("StorageProfile", name) is not None

    await eventually(lambda: has_profile(vanishing))
    await renewed(client, namespace)
    gone_at_s = time.monotonic()
    await asyncio.to_thread(control_plane.kill_apiserver)
    control_plane.delete_from_etcd("storageclasses", vanishing)
    await asyncio.to_thread(control_plane.start_apiserver)
    assert time.monotonic() - gone_at_s < GIVE_UP_S - RENEW_S, "this machine is too slow for a restart in that time"
    await client.create(volume_on(namespace, storage))
    await eventually(lambda: has_hidden_claim(client, namespace, "vm-disk"))

    async def profile_gone() -> bool:
        return not await has_profile(vanishing)

    await eventually(profile_gone)
    assert controller.code is None
    assert len(controller.said("successfully acquired lease")) == 1


async def renewed(client: Client, namespace: str) -> None:
    """Until the leader has just renewed its lease, so that it lives for as long as ever it may without."""

    async def renew_time() -> str:
        lease = await client.get("Lease", NAME, namespace)
        assert lease is not None
        return str(lease["spec"]["renewTime"])

    before = await renew_time()

    async def is_new() -> bool:
        return await renew_time() != before

    await eventually(is_new)


async def test_the_charts_rights_suffice(
    client: Client, namespace: str, storage: str, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """As the service account that the chart makes, nothing is refused."""
    rules = await asyncio.to_thread(rendered, "templates/rbac.yaml", namespace)
    await asyncio.to_thread(control_plane.kubectl, "apply", "-f", "-", stdin=rules)
    token = await asyncio.to_thread(control_plane.kubectl, "create", "token", "cdi-sa", "-n", namespace)
    account = tmp_path / "kubeconfig"
    account.write_text(control_plane.kubeconfig.read_text().replace(TOKEN, token.strip()))
    controller = ControllerProcess(str(account), namespace, tmp_path, "least")
    try:
        await client.create(volume_on(namespace, storage))
        await eventually(lambda: has_hidden_claim(client, namespace, "vm-disk"))
        volume = Ref.of(await client.get("DataVolume", "vm-disk", namespace) or {})
        await client.delete(volume)
        await at_rest(controller)
        assert controller.metric("cdi_api_requests_total", code="403") == 0
        loud = [line for line in map(json.loads, controller.log.read_text().splitlines()) if line["level"] != "info"]
        assert [line for line in loud if line["level"] != "debug"] == []
    finally:
        controller.end()


async def test_the_settings_say_how_much_is_logged(
    client: Client, namespace: str, kubeconfig: str, tmp_path: Path
) -> None:
    """CDIConfig's logVerbosity goes before the flag, without a restart."""
    controller = ControllerProcess(kubeconfig, namespace, tmp_path, "terse", verbosity=1)
    config = Ref("cdi.kubevirt.io/v1beta1", "CDIConfig", "config")

    def whispers() -> int:
        return sum(json.loads(line)["level"] == "debug" for line in controller.log.read_text().splitlines())

    async def touch(value: str) -> None:
        """Something to tell of: a profile loses a label, which it gets again."""
        labels = {"metadata": {"labels": {"app": value}}}
        await client.patch(Ref("cdi.kubevirt.io/v1beta1", "StorageProfile", f"talk-{namespace}"), labels)

    async def has_profile() -> bool:
        return await client.get("StorageProfile", f"talk-{namespace}") is not None

    try:
        await client.apply(storage_class(f"talk-{namespace}"))
        await eventually(has_profile)
        await at_rest(controller)
        await touch("first")
        await at_rest(controller)
        assert whispers() == 0
        await client.patch(config, {"spec": {"logVerbosity": 3}})
        await at_rest(controller)
        await touch("second")
        await eventually(lambda: whispers() > 0)
        await client.patch(config, {"spec": {"logVerbosity": None}})
        await at_rest(controller)
        heard = whispers()
        await touch("third")
        await at_rest(controller)
        assert whispers() == heard
    finally:
        controller.end()
        await client.patch(config, {"spec": {"logVerbosity": None}})
        await client.delete(Ref("storage.k8s.io/v1", "StorageClass", f"talk-{namespace}"))


def rendered(template: str, namespace: str) -> str:
    chart = CRDS.parents[1]
    helm = [binaries.require_program("helm"), "template", f"--kube-version={binaries.KUBERNETES_VERSION}"]
    command = [*helm, "cdi", str(chart), "-n", namespace, "-s", template]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def bare_control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """Without our kinds."""
    plane = ControlPlane(tmp_path)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


async def test_it_waits_for_its_kinds_and_says_so(bare_control_plane: ControlPlane, tmp_path: Path) -> None:
    plane = bare_control_plane
    controller = ControllerProcess(str(plane.kubeconfig), "default", tmp_path, "early")
    try:
        await eventually(lambda: controller.said("waiting"))
        assert "datavolumes.cdi.kubevirt.io" in controller.said("waiting")[0]["until"]
        assert controller.ask("/healthz") == (200, "ok")
        assert controller.ask("/readyz") == (503, "waiting for the CustomResourceDefinitions of CDI")
        await asyncio.to_thread(plane.kubectl, "apply", "--server-side", "-f", str(CRDS))
        await eventually(lambda: controller.ready)
        assert controller.ready_file.exists()
        await eventually(lambda: controller.leads)
    finally:
        controller.end()
