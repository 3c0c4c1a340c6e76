"""The controllers' metrics as Prometheus gets them: through the service, with the reader's token (spec 9)."""

from __future__ import annotations

import base64
import re

import pytest

from demo import metrics
from devcluster.kubectl import Kubectl
from tests.e2e import manifests
from tests.e2e.installation import Installation

pytestmark = pytest.mark.alone

SERVICE = "https://cdi-prometheus-metrics.cdi.svc:8443/metrics"
ASK = """
import ssl, sys, urllib.error, urllib.request
url, *tokens = sys.argv[1:]
for token in tokens:
    headers = {"Authorization": token} if token else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        print(urllib.request.urlopen(request, timeout=20, context=ssl._create_unverified_context()).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    """What the ServiceMonitor names."""
    secret = installation.own.get("secret", "cdi-metrics-reader-token")
    return base64.b64decode(secret["data"]["token"]).decode()


def test_who_may_read(installation: Installation, namespace: Kubectl, token: str) -> None:
    stranger = namespace("create", "token", "default").strip()
    tokens = ["", "Bearer wrong", f"Bearer {stranger}", f"Bearer {token}"]
    namespace.create(manifests.pod("prometheus", installation.python_image, ASK, SERVICE, *tokens, claims={}))
    namespace.wait("pod/prometheus", "jsonpath={.status.phase}=Succeeded")
    assert namespace("logs", "prometheus").split() == ["401", "401", "403", "200"]


def test_each_controller_is_behind_the_service(installation: Installation) -> None:
    slices = installation.own.items("endpointslices", "--selector=kubernetes.io/service-name=cdi-prometheus-metrics")
    behind = {endpoint["targetRef"]["name"] for each in slices for endpoint in each.get("endpoints") or ()}
    assert {pod["metadata"]["name"] for pod in installation.controllers()} <= behind


def test_what_the_leader_tells(installation: Installation) -> None:
    """The dev cluster's classes: one that can do everything and is the default, one that nobody knows."""
    text = metrics.read(installation.own, installation.leader())
    infos = re.findall(r"^kubevirt_cdi_storageprofile_info\{(.*)\} 1\.0$", text, re.MULTILINE)
    told = {labels["storageclass"]: labels for labels in (dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in infos)}
    everything = dict.fromkeys(("complete", "default", "rwx", "smartclone"), "true")
    assert told["csi"].items() >= {**everything, "virtdefault": "false", "degraded": "false"}.items()
    nothing = dict.fromkeys(("complete", "default", "virtdefault", "rwx", "smartclone"), "false")
    assert told["csi-noclone"].items() >= {**nothing, "degraded": "true"}.items()
    assert re.search(r"^kubevirt_cdi_datavolume_pending \d+\.0$", text, re.MULTILINE)


def test_a_standby_tells_of_itself_only(installation: Installation) -> None:
    leader = installation.leader()
    [standby] = [name for pod in installation.controllers() if (name := pod["metadata"]["name"]) != leader]
    text = metrics.read(installation.own, standby)
    assert "\ncdi_leader 0.0\n" in text
    assert "kubevirt_cdi_storageprofile_info{" not in text
