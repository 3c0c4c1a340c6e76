"""The chart on a cluster: two replicas, one leads, silent when nothing is to do, upgraded and removed cleanly."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from demo import metrics
from demo.install import APISERVER_PODS, CHART, CONTROLLER, CONTROLLER_PODS, RELEASE
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, webserver
from tests.e2e.installation import LEASE, TAKEOVER_S, Installation, holder, make
from tests.e2e.namespaces import HIDDEN, LABEL, wait_for_none
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase

pytestmark = pytest.mark.alone

HOOKS = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
QUIET = timedelta(seconds=20)
BY_THE_WAY = ("Lease", "TokenReview", "SubjectAccessReview")
Calls = Mapping[tuple[str, str], float]
"""Requests to the API server so far, by verb and kind."""


def small_import(server: WebServer, name: str) -> Object:
    asked = manifests.claim_spec("40Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    return manifests.data_volume(name, source=manifests.http(server.url("small.qcow2")), storage=asked)


def slow_import(server: WebServer, name: str) -> Object:
    asked = manifests.claim_spec("80Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    return manifests.data_volume(name, source=manifests.http(server.url("medium.qcow2", webserver.SLOW)), storage=asked)


def assert_imports(namespace: Kubectl, server: WebServer, name: str) -> None:
    namespace.apply(small_import(server, name))
    namespace.wait(f"dv/{name}", "jsonpath={.status.phase}=Succeeded")


def test_one_of_two_leads(installation: Installation) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in installation.controllers()}
    assert len(pods) == 2
    assert installation.leader() in pods
    ready = installation.own.get(CONTROLLER)["status"].get("readyReplicas")
    assert ready == 2


@pytest.mark.parametrize("how", [("--wait=false",), ("--force", "--grace-period=0")], ids=["asked-to-go", "by-force"])
def test_another_takes_over(
    how: tuple[str, ...], installation: Installation, namespace: Kubectl, server: WebServer
) -> None:
    """Asked to go, with time or without, the leader hands the lease back. (Test_faults has one that cannot.)"""
    gone = installation.leader()
    with Watch(installation.own, "lease") as leases:
        leases.until(lambda now: LEASE in now, "the lease is there")
        began = time.monotonic()
        installation.own("delete", "pod", gone, *how)
        leases.until(lambda now: holder(now[LEASE]) not in ("", gone), "another leads", TAKEOVER_S)
        assert time.monotonic() - began < TAKEOVER_S
    assert_imports(namespace, server, "after")
    installation.own("rollout", "status", CONTROLLER, "--timeout=60s")


def test_an_idle_controller_is_silent(installation: Installation, namespace: Kubectl, server: WebServer) -> None:
    """With volumes there and nothing to do for them, only the lease is written; watches go on."""
    assert_imports(namespace, server, "done")
    wait_for_none(namespace, "pvc", HIDDEN)
    # A DataVolume that goes after its claim, as in a namespace that is deleted, asks for another claim in between.
    wait_for_none(
        installation.kubectl, "namespaces", f"--selector={LABEL}", "--field-selector=status.phase=Terminating"
    )
    with Watch(installation.own, "lease") as leases, Watch(namespace, "datavolumes") as volumes:
        leader = installation.leader()
        leases.until(lambda now: LEASE in now, "the lease is there")
        volumes.until(lambda now: "done" in now, "the DataVolume is there")
        before = settled_calls(installation, leader, leases)
        until = renewed(leases) + QUIET
        # A change that asks for nothing wakes the controller up, and it finds nothing to do.
        namespace("annotate", "dv", "done", "example.com/touched=yes")
        leases.until(lambda _: renewed(leases) > until, "the lease is renewed on and on", 60)
        after = calls(installation, leader)
        assert phase(volumes.now, "done") == "Succeeded"
    assert {what: after[what] - before.get(what, 0) for what in after if after[what] != before.get(what, 0)} == {}


def settled_calls(installation: Installation, leader: str, leases: Watch) -> Calls:
    """The counters once they stand still for one renewal of the lease: what other tests left has been dealt with."""
    before: Calls = {}
    while before != (now := calls(installation, leader)):
        before, seen = now, renewed(leases)
        leases.until(lambda _, seen=seen: renewed(leases) > seen, "the lease is renewed", 30)  # type: ignore[misc]
    return now


def renewed(leases: Watch) -> datetime:
    return datetime.fromisoformat(leases.now[LEASE]["spec"]["renewTime"])


def calls(installation: Installation, pod: str) -> Calls:
    """Requests by verb and kind, without those that keep the lease, those that only listen, those that ask who reads
    these numbers, and the looks every now and then whether a kind that the cluster lacks was installed.
    """
    found = re.findall(r"^cdi_api_requests_total\{(.*)\} (\S+)$", metrics.read(installation.own, pod), re.MULTILINE)
    assert found, "the controller counts no requests"
    rows = [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in found]
    wanted = [(row, value) for row, value in rows if row["kind"] not in BY_THE_WAY and row["verb"] != "watch"]
    return {(row["verb"], row["kind"]): value for row, value in wanted if (row["verb"], row["code"]) != ("list", "404")}


def test_upgrade_and_rollback(
    installation: Installation, namespace: Kubectl, server: WebServer, images: Mapping[str, Image]
) -> None:
    """New pods take over in the middle of an import, and nobody notices."""
    settled = ("--wait", "--timeout=90s")
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(slow_import(server, "through"))
        volumes.until(lambda now: phase(now, "through") == "ImportInProgress", "the import is under way")
        before = {pod["metadata"]["uid"] for pod in installation.controllers()}
        trusted = trusted_servers(installation)
        installation.own.helm("upgrade", RELEASE, CHART, "--reuse-values", "--set=controller.verbosity=3", *settled)
        # Helm does not wait for the last of the pods before to be asked to go.
        installation.own("rollout", "status", CONTROLLER, "--timeout=60s")
        assert trusted_servers(installation) == trusted
        args = installation.own.get(CONTROLLER)["spec"]["template"]["spec"]["containers"][0]["args"]
        assert args == ["-v=3"]
        assert not before & {pod["metadata"]["uid"] for pod in installation.controllers()}
        volumes.until(lambda now: phase(now, "through") == "Succeeded", "the import ends")
        installation.own.helm("rollback", RELEASE, *settled)
        assert trusted_servers(installation) == trusted
    assert volumes.now["through"]["status"].get("restartCount", 0) == 0
    wanted = disks.Expected("through", "Block", images["medium.qcow2"].virtual_bytes)
    found = disks.read(namespace, installation.python_image, [wanted])
    assert found["through"].sha256 == images["medium.qcow2"].sha256


def trusted_servers(installation: Installation) -> dict[str, str]:
    """caBundle of each webhook: what the controller writes into helm's objects, and helm leaves alone."""
    found = installation.kubectl.items(HOOKS, f"--selector=app.kubernetes.io/instance={RELEASE}")
    trusted = {hook["name"]: hook["clientConfig"].get("caBundle", "") for obj in found for hook in obj["webhooks"]}
    assert len(trusted) == 6
    assert all(trusted.values())
    return trusted


def test_no_right_is_missing(installation: Installation) -> None:
    """Least privilege, but enough of it. (A quota also answers 403: what RBAC refuses has words of its own.)"""
    for pods in (CONTROLLER_PODS, APISERVER_PODS):
        logs = installation.own("logs", pods, "--tail=-1", "--max-log-requests=10")
        assert logs
        assert [line for line in logs.splitlines() if re.search(r"cannot \w+ resource", line)] == []


def test_uninstall_and_install(installation: Installation, namespace: Kubectl, server: WebServer) -> None:
    """Uninstalled, nothing of the controller is left, the users' volumes are; installed again, all goes on."""
    cluster = installation.kubectl
    assert_imports(namespace, server, "stays")
    before = namespace.get("dv", "stays")
    try:
        installation.own.helm("uninstall", RELEASE, "--wait", "--cascade=foreground", "--timeout=60s")
        kinds = "deployments,replicasets,pods,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,leases"
        left = [f"{obj['kind']}/{obj['metadata']['name']}" for obj in installation.own.items(kinds)]
        assert left == ["ServiceAccount/default"]
        of_release = f"--selector=app.kubernetes.io/instance={RELEASE}"
        clusterwide = "clusterroles,clusterrolebindings,priorityclasses"
        assert cluster.items(f"{clusterwide},{HOOKS}", of_release) == []
        # The certificates go with what stands for the installation, a moment later.
        wait_for_none(installation.own, "secrets,configmaps", "--selector=app=containerized-data-importer")
        namespace.apply(small_import(server, "patient"))
        assert namespace.get("pvc", "stays")["status"]["phase"] == "Bound"
    finally:
        make("install")
    namespace.wait("dv/patient", "jsonpath={.status.phase}=Succeeded")
    assert namespace.get("dv", "stays")["status"] == before["status"]
