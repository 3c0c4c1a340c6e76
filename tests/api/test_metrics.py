"""Who may read the controller's metrics, and what those of the cluster say (spec 9)."""

from __future__ import annotations

import asyncio
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Ref
from tests.api.apiserver import TOKEN, ControlPlane
from tests.api.conftest import Start, eventually
from tests.api.controller import ControllerProcess
from tests.api.objects import DRIVER
from tests.api.test_wiring import rendered

INFO = "kubevirt_cdi_storageprofile_info"
PENDING = "kubevirt_cdi_datavolume_pending"
DEFAULT = "storageclass.kubernetes.io/is-default-class"


def status(controller: ControllerProcess, authorization: str | None, path: str = "/metrics") -> int:
    headers = {"Authorization": authorization} if authorization is not None else {}
    request = urllib.request.Request(f"https://127.0.0.1:{controller.metrics_port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
async def tokens(control_plane: ControlPlane, namespace: str) -> Callable[[str], str]:
    """Tokens of the chart's reader and of an account without rights."""

    def of(account: str) -> str:
        return control_plane.kubectl("create", "token", account, "--namespace", namespace).strip()

    chart = await asyncio.to_thread(rendered, "templates/metrics.yaml", namespace)
    await asyncio.to_thread(control_plane.kubectl, "apply", "-f", "-", stdin=chart)
    await asyncio.to_thread(control_plane.kubectl, "create", "serviceaccount", "nobody", "--namespace", namespace)
    return of


async def test_who_may_read(tokens: Callable[[str], str], start: Start) -> None:
    controller = start("one")
    await eventually(lambda: controller.ready)
    reader, nobody = tokens("cdi-metrics-reader"), tokens("nobody")
    rows = (
        (None, 401),
        ("", 401),
        ("Bearer ", 401),
        ("Bearer nonsense", 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {reader[:-4]}AAAA", 401),
        (f"Bearer {nobody}", 403),
        (f"Bearer {reader}", 200),
        (f"bearer {reader}", 200),
        (f"Bearer {TOKEN}", 200),
    )
    assert [(given, status(controller, given)) for given, _ in rows] == list(rows)
    assert status(controller, f"Bearer {reader}", "/other") == 404
    assert controller.ask("/metrics")[0] == 404, "nothing of it is to be had without a token"


async def test_a_token_is_asked_about_once_in_a_while(start: Start) -> None:
    controller = start("one")
    await eventually(lambda: controller.ready)
    for _ in range(20):
        controller.metrics()
    assert controller.metric("cdi_api_requests_total", kind="TokenReview") <= 2


async def test_what_is_told_of_the_cluster(client: Client, namespace: str, storage: str, start: Start) -> None:
    controller, name = start("one"), storage
    await eventually(lambda: controller.leads)
    seen = {"storageclass": name, "provisioner": DRIVER}
    await eventually(lambda: controller.metric(INFO, **seen, complete="false", default="false") == 1)
    profile = Ref("cdi.kubevirt.io/v1beta1", "StorageProfile", name)
    sets = [{"accessModes": ["ReadWriteMany"], "volumeMode": "Block"}]
    await client.patch(profile, {"spec": {"claimPropertySets": sets, "cloneStrategy": "csi-clone"}})
    good = {**seen, "complete": "true", "rwx": "true", "smartclone": "true", "degraded": "false"}
    await eventually(lambda: controller.metric(INFO, **good) == 1)
    assert controller.metric(INFO, **seen) == 1, "the series of before is gone"

    before = controller.metric(PENDING)
    await client.create(
        {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "DataVolume",
            "metadata": {"name": "homeless", "namespace": namespace},
            "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
        }
    )
    await eventually(lambda: controller.metric(PENDING) == before + 1)
    storage_class = Ref("storage.k8s.io/v1", "StorageClass", name)
    await client.patch(storage_class, {"metadata": {"annotations": {DEFAULT: "true"}}})
    try:
        await eventually(lambda: controller.metric(PENDING) == 0)
        await eventually(lambda: controller.metric(INFO, **good, default="true") == 1)
    finally:
        await client.delete(storage_class)
    await eventually(lambda: controller.metric(INFO, **seen) == 0)


async def test_a_standby_tells_of_itself_only(storage: str, start: Start) -> None:
    first = start("first")
    await eventually(lambda: first.leads)
    second = start("second")
    await eventually(lambda: second.ready)
    await eventually(lambda: first.metric(INFO, storageclass=storage) == 1)
    assert [sample.name for sample in second.metrics() if sample.name.startswith("kubevirt_cdi_")] == []
    assert (first.metric("cdi_leader"), second.metric("cdi_leader")) == (1, 0)
