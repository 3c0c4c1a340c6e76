"""Admission on a cluster: webhooks refuse and render, their certificates are renewed, nobody else waits for them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cdi_operator.api import annotations as names
from demo.install import APISERVER, APISERVER_PODS, wait_until_asked
from demo.server import WebServer
from devcluster.kubectl import Kubectl, KubectlError, Object
from tests.e2e import manifests, webserver
from tests.e2e.installation import Installation
from tests.e2e.namespaces import tells, until_empty
from tests.e2e.watch import Watch, phase

pytestmark = pytest.mark.alone

SERVED_S = 120
"""How long a new certificate may take to be shown (spec 8.4)."""
SECRETS = ("cdi-apiserver-signer", "cdi-apiserver-server-cert")
LABEL = {names.APPLY_STORAGE_PROFILE: "true"}


def blank(name: str, labels: dict[str, str] | None = None, storage_class: str = "csi", **spec: Any) -> Object:
    asked = {"storage": manifests.claim_spec("40Mi", storage_class=storage_class)} if "pvc" not in spec else {}
    made = manifests.data_volume(name, source={"blank": {}}, **asked, **spec)
    made["metadata"]["labels"] = labels or {}
    return made


def printed(kubectl: Kubectl, obj: Object) -> str:
    """What kubectl says to an object that is refused."""
    with pytest.raises(KubectlError) as refused:
        kubectl.create(obj)
    return str(refused.value)


def servers(installation: Installation) -> list[Object]:
    pods = installation.own.items("pods", APISERVER_PODS)
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (blank("bad", contentType="archive"), "SourceType cannot be blank and the contentType be archive"),
        (manifests.data_volume("bad", source={}, storage=manifests.claim_spec("40Mi")), "Missing Data volume source"),
        (
            blank("bad", pvc=manifests.claim_spec("40Mi")),
            "Required value: at least 1 access mode is required",
        ),
    ],
)
def test_a_bad_manifest_is_refused_in_plain_words(namespace: Kubectl, asked: Object, text: str) -> None:
    assert f'admission webhook "datavolume-validate.cdi.kubevirt.io" denied the request:  {text}' in printed(
        namespace, asked
    )


def test_a_volume_rendered_by_the_webhook(namespace: Kubectl) -> None:
    """Class `csi` can do ReadWriteMany on Block first: that is what a DataVolume gets that asks for nothing."""
    namespace.apply(blank("labelled", LABEL), blank("plain"))
    for name in ("labelled", "plain"):
        namespace.wait(f"dv/{name}", "jsonpath={.status.phase}=Succeeded")
    rendered, by_us = (namespace.get("pvc", name)["spec"] for name in ("labelled", "plain"))
    for field in ("accessModes", "volumeMode", "resources", "storageClassName"):
        assert rendered[field] == by_us[field], field


def test_a_claim_rendered_by_the_webhook(namespace: Kubectl) -> None:
    """No DataVolume anywhere."""
    asked = manifests.claim("bare", manifests.claim_spec("40Mi", storage_class="csi", mode="FromStorageProfile"))
    asked["metadata"]["labels"] = LABEL
    namespace.apply(asked)
    namespace.wait("pvc/bare", "jsonpath={.status.phase}=Bound")
    spec = namespace.get("pvc", "bare")["spec"]
    assert (spec["accessModes"], spec["volumeMode"]) == (["ReadWriteMany"], "Block")


def test_what_the_webhook_cannot_render_the_volume_tells(namespace: Kubectl) -> None:
    namespace.apply(blank("lost", LABEL, storage_class="no-such-class"))
    words = "PVC spec is missing accessMode and no storageClass to choose profile"
    with Watch(namespace, "datavolumes") as volumes:
        volumes.until(lambda now: words in str(now.get("lost", {}).get("status", {})), "it says why")
    assert tells(namespace, "ErrClaimNotValid")


def test_a_certificate_is_renewed_while_it_serves(installation: Installation, namespace: Kubectl) -> None:
    """Spec 8.4: whoever sets not-after to the past gets a new one, shown within 2 minutes by pods that go on."""
    before = {pod["metadata"]["name"]: shown(installation, pod) for pod in servers(installation)}
    assert len(before) == 2
    trusted = installation.own.get("configmap", "cdi-apiserver-signer-bundle")["data"]["ca-bundle.crt"]
    past = f"{names.CERTIFICATE_NOT_AFTER}=2020-01-01T00:00:00Z"
    for secret in SECRETS:
        installation.own("annotate", "--overwrite", "secret", secret, past)
    still_old = lambda: [pod for pod in before if shown_by(installation, pod) == before[pod]]  # noqa: E731
    until_empty(still_old, "servers that show the certificate from before", SERVED_S)
    after = servers(installation)
    assert {pod["metadata"]["name"] for pod in after} == set(before)
    assert [restarts(pod) for pod in after] == [0, 0]
    assert trusted in installation.own.get("configmap", "cdi-apiserver-signer-bundle")["data"]["ca-bundle.crt"]
    wait_until_asked(installation.kubectl)
    namespace.apply(blank("renewed"))
    namespace.wait("dv/renewed", "jsonpath={.status.phase}=Succeeded")


def shown(installation: Installation, pod: Object) -> str:
    return shown_by(installation, pod["metadata"]["name"])


def shown_by(installation: Installation, pod: str) -> str:
    with installation.own.forward(f"pod/{pod}", 8443) as port:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)


def restarts(pod: Object) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses") or ())


def test_new_servers_take_over_without_a_gap(installation: Installation, namespace: Kubectl) -> None:
    """A rollout of all replicas, with a question every moment: each is answered."""
    before = {pod["metadata"]["uid"] for pod in servers(installation)}
    installation.own("rollout", "restart", APISERVER)
    while {pod["metadata"]["uid"] for pod in servers(installation)} & before:
        namespace("create", "--dry-run=server", "--filename=-", stdin=json.dumps(blank("asked")))
    installation.own("rollout", "status", APISERVER, "--timeout=60s")
    namespace("create", "--dry-run=server", "--filename=-", stdin=json.dumps(blank("asked")))


@contextmanager
def nobody_answers(installation: Installation) -> Iterator[None]:
    replicas = installation.own.get(APISERVER)["spec"]["replicas"]
    installation.own("scale", APISERVER, "--replicas=0")
    installation.own("wait", "pods", APISERVER_PODS, "--for=delete", "--timeout=60s")
    try:
        yield
    finally:
        installation.own("scale", APISERVER, f"--replicas={replicas}")
        installation.own("rollout", "status", APISERVER, "--timeout=60s")
        wait_until_asked(installation.kubectl)


def test_while_nobody_answers_only_our_kinds_wait(
    installation: Installation, namespace: Kubectl, server: WebServer
) -> None:
    """What runs goes on to its end, everything else in the cluster is made as ever, and afterwards all is well."""
    asked = manifests.claim_spec("80Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    source = manifests.http(server.url("medium.qcow2", webserver.SLOW))
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(manifests.data_volume("running", source=source, pvc=asked))
        volumes.until(lambda now: phase(now, "running") == "ImportInProgress", "the import is under way")
        with nobody_answers(installation):
            assert "failed calling webhook" in printed(namespace, blank("later"))
            labelled = manifests.claim("labelled", manifests.claim_spec("40Mi", mode="FromStorageProfile"))
            labelled["metadata"]["labels"] = LABEL
            assert "failed calling webhook" in printed(namespace, labelled)
            plain = manifests.claim_spec("40Mi", storage_class="csi", mode="Filesystem", access_mode="ReadWriteOnce")
            namespace.apply(manifests.claim("any", plain))
            namespace.wait("pvc/any", "jsonpath={.status.phase}=Bound")
            namespace("create", "configmap", "any")
            namespace("run", "any", "--image=any", "--dry-run=server", *RESTRICTED)
            namespace("label", "datavolume", "running", "team=blue")
            volumes.until(lambda now: phase(now, "running") == "Succeeded", "the import ends")
        namespace.apply(blank("later"))
        volumes.until(lambda now: phase(now, "later") == "Succeeded", "it works again")


RESTRICTED = (
    '--overrides={"spec":{"securityContext":{"runAsNonRoot":true,"runAsUser":1,"seccompProfile":{"type":"RuntimeDefault"}},'
    '"containers":[{"name":"any","image":"any","securityContext":{"allowPrivilegeEscalation":false,'
    '"capabilities":{"drop":["ALL"]}}}]}}',
)
