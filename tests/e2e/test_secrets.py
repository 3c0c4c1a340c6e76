"""A user's secrets on a real node: the worker has them as files, and they are nowhere else (spec 3.4)."""

from __future__ import annotations

import base64
import json
import secrets

from demo.server import WebServer
from devcluster.kubectl import Kubectl
from tests.e2e import manifests
from tests.e2e.installation import Installation

KINDS = "datavolumes,persistentvolumeclaims,pods,events,configmaps,volumeimportsources"


def test_a_secret_is_nowhere_but_in_its_secret(
    installation: Installation, namespace: Kubectl, server: WebServer
) -> None:
    values = {key: f"value-{secrets.token_hex(8)}" for key in ("accessKeyId", "secretKey")}
    header = f"x-password: value-{secrets.token_hex(8)}"
    for name, data in (("login", values), ("extra", {"header": header})):
        meta = {"name": name}
        namespace.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
    source = manifests.http(server.url("small.qcow2"), secretRef="login", secretExtraHeaders=["extra"])
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    kept = {"cdi.kubevirt.io/storage.pod.retainAfterCompletion": "true"}
    namespace.apply(manifests.data_volume("secretive", source=source, storage=asked, annotations=kept))
    namespace.wait("dv/secretive", "jsonpath={.status.phase}=Succeeded")

    [pod] = namespace.items("pods", "--selector=cdi.kubevirt.io=importer")
    name = pod["metadata"]["name"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert all("projected" not in volume for volume in pod["spec"]["volumes"]), "no token of a service account"
    assert {"login", "extra"} <= {
        volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume
    }
    told = [json.dumps(namespace.items(KINDS)), namespace("logs", name)]
    told += [installation.own("logs", each["metadata"]["name"]) for each in installation.controllers()]
    assert all(told)
    for value in (*values.values(), header.partition(": ")[2]):
        for shape in (value, base64.b64encode(value.encode()).decode()):
            assert not any(shape in text for text in told)
