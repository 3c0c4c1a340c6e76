"""The installation's proxy, as the importer pod gets it (spec 1.5, 3.4, 5.7)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, Delete, Emit, Ensure, PatchMeta
from cdi_operator.flows.importer import observe, plan
from cdi_operator.flows.importer.proxy import bundle
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    CSI,
    KEY,
    LOCAL,
    NS,
    PRIME,
    PRIME_KEY,
    PRIME_UID,
    SETTINGS,
    config,
    deleting,
    having,
    legacy,
    obj,
    pod,
    prime,
    running,
    target,
)
from tests.unit.flows.importer.pods import job, made
from tests.unit.world import NOW, World

CERT_PEM = "-----BEGIN CERTIFICATE-----"
HTTP, HTTPS = "http://proxy.example.com:3128", "http://foo:bar@proxy.example.com:3129"
TRUSTING = config(importProxy={"HTTPSProxy": HTTPS, "trustedCAProxy": "proxy-ca"})
AUTHORITY = obj("ConfigMap", "proxy-ca", namespace="cdi", data={"ca.crt": CERT_PEM})
COPY = f"import-proxy-cm-{PRIME}"
MOUNT = {"name": "cdi-proxy-cert-vol", "configMap": {"name": COPY, "optional": True}}
BOUND = (*CSI, target(), prime("Bound"))


def look(*objects, key=PRIME_KEY):
    world = World(*objects)
    return plan(observe(world, key), SETTINGS, NOW)


def kinds(actions):
    return [type(action) for action in actions]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {}),
        ({"HTTPProxy": HTTP}, {"http_proxy": HTTP}),
        ({"HTTPSProxy": HTTPS}, {"https_proxy": HTTPS}),
        ({"noProxy": ".svc,10.0.0.0/8"}, {"no_proxy": ".svc,10.0.0.0/8"}),
        ({"HTTPProxy": "", "HTTPSProxy": None, "noProxy": ""}, {}),
        (
            {"HTTPProxy": HTTP, "HTTPSProxy": HTTPS, "noProxy": "a"},
            {"http_proxy": HTTP, "https_proxy": HTTPS, "no_proxy": "a"},
        ),
    ],
)
def test_environment(settings, wanted):
    container = made(*LOCAL, config(importProxy=settings), legacy("Bound"))["spec"]["containers"][0]
    first, *proxies = container["env"]
    assert first["name"] == "CDI_JOB"
    assert {each["name"]: each["value"] for each in proxies} == wanted


def test_the_authority_is_copied_and_mounted():
    copy, make = look(*BOUND, TRUSTING, AUTHORITY)
    assert isinstance(copy, Ensure)
    assert copy.object == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": COPY,
            "namespace": NS,
            "labels": {
                "app": "containerized-data-importer",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
                "app.kubernetes.io/part-of": "kubevirt",
                "app.kubernetes.io/version": "1.2.3",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "name": PRIME,
                    "uid": PRIME_UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "data": {"ca.crt": CERT_PEM},
    }
    assert isinstance(make, Create)
    (container,) = make.object["spec"]["containers"]
    assert MOUNT in make.object["spec"]["volumes"]
    assert {"name": MOUNT["name"], "mountPath": "/proxycerts/", "readOnly": True} in container["volumeMounts"]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"ca.crt": "a", "ca-bundle.crt": "b", "ca.pem": "c"}, "a"),
        ({"ca-bundle.crt": "b", "ca.pem": "c"}, "b"),
        ({"ca.crt": "", "ca.pem": "c"}, "c"),
        ({"tls.crt": "d"}, ""),
        ({}, ""),
    ],
)
def test_where_the_certificates_may_be(data, wanted):
    assert bundle(data) == wanted


def test_both_authorities_count():
    claim = legacy("Bound", {names.CERT_CONFIG_MAP: "ca"})
    _, make = look(*LOCAL, TRUSTING, AUTHORITY, claim, key=KEY)
    assert job(make.object).source.ca_dirs == ("/certs/ca", "/proxycerts/")


@pytest.mark.parametrize(
    "installed",
    [
        (),
        (having(AUTHORITY, data=None),),
        (having(AUTHORITY, data={"ca.crt": None, "tls.crt": CERT_PEM}),),
    ],
    ids=["no ConfigMap", "an empty one", "another key"],
)
def test_an_authority_that_is_not_there_is_told(installed):
    found = (*BOUND, TRUSTING, *installed)
    patch, event = look(*found)
    assert (type(patch), type(event), event.type, event.reason) == (PatchMeta, Emit, "Warning", "ErrStartingPod")
    wanted = "ConfigMap 'proxy-ca' with key ca.crt not found in namespace cdi (trustedCAProxy)"
    assert event.message.startswith(f"Error starting pod 'importer-{PRIME}'")
    assert event.message.endswith(wanted)
    assert patch.annotations[names.RUNNING_MESSAGE] == event.message
    world = World(*found)
    world.apply(plan(observe(world, PRIME_KEY), SETTINGS, NOW))
    assert plan(observe(world, PRIME_KEY), SETTINGS, NOW) == (), "told once"


@pytest.mark.parametrize(
    ("claim", "worker", "wanted"),
    [
        (prime("Bound", {names.POD_PHASE: "Succeeded"}), pod(spec={"volumes": [MOUNT]}), ["Pod", "ConfigMap"]),
        (prime("Bound", {names.POD_PHASE: "Succeeded"}), pod(), ["Pod"]),
        (deleting(prime("Bound")), pod("Running", running(), spec={"volumes": [MOUNT]}), ["Pod", "ConfigMap"]),
    ],
)
def test_the_copy_goes_with_its_pod(claim, worker, wanted):
    actions = look(*CSI, target(), claim, worker)
    assert kinds(actions) == [Delete] * len(wanted)
    assert [action.ref.kind for action in actions] == wanted
    assert {action.ref.namespace for action in actions} == {NS}


def test_a_copy_that_may_not_be_made_is_told():
    world = World(*BOUND, TRUSTING, AUTHORITY)
    world.refusals["ConfigMap", NS, COPY] = Refusal(None, "Forbidden", "exceeded quota: q", NOW)
    actions = plan(observe(world, PRIME_KEY), SETTINGS, NOW)
    assert kinds(actions) == [PatchMeta, Emit, Ensure, Create]
    assert actions[0].annotations[names.RUNNING_REASON] == "ErrExceededQuota"
