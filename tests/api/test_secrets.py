"""A user's secrets go from the API server to the kubelet and to nobody else: what we write, log and tell has none."""

from __future__ import annotations

import base64
import json
import secrets

from cdi_operator.api.annotations import POD_RETAIN
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError
from cdi_operator.cluster.kinds import KINDS
from tests.api.cluster import living
from tests.api.conftest import Start, eventually
from tests.api.objects import volume_on

PATIENCE_S = 120.0


async def test_a_secret_is_nowhere_but_in_its_secret(
    client: Client, namespace: str, storage: str, start: Start
) -> None:
    values = {key: f"value-{secrets.token_hex(8)}" for key in ("accessKeyId", "secretKey", "header")}
    await make(client, namespace, "login", {key: values[key] for key in ("accessKeyId", "secretKey")})
    await make(client, namespace, "extra", {"header": values["header"]})
    wanted = volume_on(namespace, storage)
    wanted["spec"]["source"] = {
        "http": {"url": "https://example.com/disk.img", "secretRef": "login", "secretExtraHeaders": ["extra"]}
    }
    wanted["metadata"]["annotations"] = {POD_RETAIN: "true"}
    controller = start("one")
    await client.create(wanted)

    async def succeeded() -> bool:
        found = await client.get("DataVolume", "vm-disk", namespace) or {}
        return bool((found.get("status") or {}).get("phase") == "Succeeded")

    async with living(client, namespace):
        await eventually(succeeded, PATIENCE_S)
    objects = await everything(client)
    assert '"secretName": "login"' in objects, "the worker is still there to be looked at"
    assert '"automountServiceAccountToken": false' in objects
    told = (objects, controller.log.read_text(), str(controller.metrics()))
    for value in values.values():
        for shape in (value, base64.b64encode(value.encode()).decode()):
            assert not any(shape in text for text in told)


async def make(client: Client, namespace: str, name: str, values: dict[str, str]) -> None:
    meta = {"name": name, "namespace": namespace}
    await client.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": values})


async def everything(client: Client) -> str:
    """All objects of all kinds that the controller knows, but the secrets themselves."""
    objects = []
    for kind in KINDS:
        if kind == "Secret":
            continue
        try:
            objects += [obj async for page, _ in client.list(kind) for obj in page]
        except ApiError as error:
            if error.status not in (404, 405):
                raise
    return json.dumps(objects)
