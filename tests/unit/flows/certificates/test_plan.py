"""The certificates of the installation's server: issued, trusted before they are shown, renewed in time (spec 8.4)."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DNSName
from cryptography.x509.verification import PolicyBuilder, Store

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Ensure, Issue, Wait
from cdi_operator.flows.certificates import observe, pem, plan
from cdi_operator.flows.seen import timestamp
from tests.unit.flows.given import SETTINGS, obj
from tests.unit.world import NOW, World, merge_patch, settle

CDI = "cdi"
KEY = (CDI, "cdi-api")
SIGNER, SERVER, BUNDLE = "cdi-apiserver-signer", "cdi-apiserver-server-cert", "cdi-apiserver-signer-bundle"
HOUR = timedelta(hours=1)
STEPS = 6
"""More than it takes to renew everything."""
LOCK = obj("ConfigMap", "cdi-config", "uid-lock", CDI)


def configuration(kind="ValidatingWebhookConfiguration", name="cdi-api-datavolume-validate", service="cdi-api"):
    led = {"service": {"name": service, "namespace": CDI, "path": "/x"}}
    hook = {"name": "datavolume-validate.cdi.kubevirt.io", "clientConfig": led, "failurePolicy": "Fail"}
    return obj(kind, name, namespace="", api_version="admissionregistration.k8s.io/v1", webhooks=[hook])


HOOKS = (configuration(), configuration("MutatingWebhookConfiguration", "cdi-api-pvc-mutate"))
STRANGE = configuration(name="theirs", service="another")


def look(world):
    return plan(observe(world, KEY), SETTINGS, world.now)


def installed(*more):
    world = World(LOCK, *HOOKS, *more)
    settle(world, look)
    return world


def secret(world, name):
    return world.get("Secret", name, CDI)


def certificate(world, name):
    return pem.certificate_of(secret(world, name)["data"]["tls.crt"])


def bundle(world):
    return pem.certificates(world.get("ConfigMap", BUNDLE, CDI)["data"]["ca-bundle.crt"])


def trusted_by(world, kind, name):
    [hook] = world.get(kind, name)["webhooks"]
    return base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode()


def connects(world, trusted):
    """Whether a client that trusts `trusted` accepts what the server shows, as TLS libraries decide it."""
    policy = PolicyBuilder().store(Store(trusted)).time(world.now.replace(tzinfo=None))
    policy.build_server_verifier(DNSName("cdi-api.cdi.svc")).verify(certificate(world, SERVER), [])
    return True


def edit(world, name, **notes):
    world.edit("Secret", name, {"metadata": {"annotations": notes}}, CDI)


PAST = {names.CERTIFICATE_NOT_AFTER: timestamp(NOW - HOUR)}


# From nothing --------------------------------------------------------------------------------------------------------


def test_from_nothing():
    world = World(LOCK, *HOOKS, STRANGE)
    steps = settle(world, look)
    done = [[action.secret["metadata"]["name"] if isinstance(action, Issue) else action.object["metadata"]["name"]
             for action in step] for step in steps]  # fmt: skip
    assert done == [[SIGNER], [BUNDLE], ["cdi-api-pvc-mutate", "cdi-api-datavolume-validate"], [SERVER]]
    assert bundle(world) == (certificate(world, SIGNER),)
    assert connects(world, bundle(world))
    for hook in HOOKS:
        assert trusted_by(world, hook["kind"], hook["metadata"]["name"]) == pem.bundle(bundle(world))
    assert trusted_by(world, "ValidatingWebhookConfiguration", "theirs") == ""


def test_what_a_secret_looks_like():
    world = installed()
    found = secret(world, SERVER)
    assert found["type"] == "kubernetes.io/tls"
    assert found["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "cdi-config", "uid": "uid-lock"}
    ]
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "kubevirt"
    assert found["metadata"]["annotations"] == {
        "auth.openshift.io/certificate-not-before": timestamp(NOW - timedelta(minutes=5)),
        "auth.openshift.io/certificate-not-after": timestamp(NOW + 24 * HOUR),
        "auth.openshift.io/certificate-issuer": f"{SIGNER}@{int(NOW.timestamp())}",
        "operator.cdi.kubevirt.io/certConfig": '{"lifetime":"24h0m0s","refresh":"12h0m0s"}',
    }
    assert secret(world, SIGNER)["metadata"]["annotations"] == {
        "auth.openshift.io/certificate-not-before": timestamp(NOW - timedelta(minutes=5)),
        "auth.openshift.io/certificate-not-after": timestamp(NOW + 48 * HOUR),
        "auth.openshift.io/certificate-issuer": f"{SIGNER}@{int(NOW.timestamp())}",
        "operator.cdi.kubevirt.io/certConfig": '{"lifetime":"48h0m0s","refresh":"24h0m0s"}',
    }
    assert certificate(world, SERVER).not_valid_after_utc == NOW + 24 * HOUR


def test_telling_the_callers_changes_nothing_else():
    hook = installed().get("ValidatingWebhookConfiguration", "cdi-api-datavolume-validate")
    before = configuration()["webhooks"][0]
    given = merge_patch(hook["webhooks"][0], {"clientConfig": {"caBundle": None}})
    assert given == before


# What makes it due ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "happens", "why"),
    [
        (SIGNER, PAST, "it has ended"),
        (SERVER, PAST, "it has ended"),
        (SERVER, {names.CERTIFICATE_NOT_AFTER: timestamp(NOW + 12 * HOUR)}, "it is due"),
        (SERVER, {names.CERTIFICATE_NOT_AFTER: "soon"}, "its annotations do not say how long it is valid"),
        (SERVER, {names.CERTIFICATE_NOT_AFTER: None}, "its annotations do not say how long it is valid"),
        (SERVER, {names.CERTIFICATE_NOT_BEFORE: None}, "its annotations do not say how long it is valid"),
        (SERVER, {names.CERT_CONFIG: "{}"}, "its lifetime was configured anew"),
    ],
)
def test_annotations_that_make_it_due(what, happens, why):
    world = installed()
    before = certificate(world, what)
    edit(world, what, **happens)
    [asked] = [action for action in look(world) if isinstance(action, Issue)]
    assert (asked.secret["metadata"]["name"], asked.why) == (what, why)
    settle(world, look)
    assert certificate(world, what) != before
    assert connects(world, bundle(world))


@pytest.mark.parametrize(
    ("what", "patch", "why"),
    [
        (SERVER, {"data": {"tls.crt": "bm90aGluZw=="}}, "it cannot be read"),
        (SERVER, {"data": {"tls.crt": "%%"}}, "it cannot be read"),
        (SIGNER, {"data": None}, "it cannot be read"),
    ],
)
def test_data_that_makes_it_due(what, patch, why):
    world = installed()
    world.edit("Secret", what, patch, CDI)
    assert [action.why for action in look(world) if isinstance(action, Issue)] == [why]
    settle(world, look)
    assert connects(world, bundle(world))


@pytest.mark.parametrize(
    ("hours", "wanted"),
    [(0, []), (11.99, []), (12, [SERVER]), (23.99, [SERVER]), (24, [SIGNER]), (100, [SIGNER]), (-1, [SIGNER])],
)
def test_time_makes_it_due(hours, wanted):
    world = installed()
    world.now = NOW + hours * HOUR
    assert [action.secret["metadata"]["name"] for action in look(world) if isinstance(action, Issue)] == wanted


def test_a_server_that_a_stranger_vouches_for():
    world, other = installed(), installed()
    world.edit("Secret", SERVER, {"data": secret(other, SERVER)["data"]}, CDI)
    assert [action.why for action in look(world) if isinstance(action, Issue)] == ["nobody trusts its issuer"]


def test_a_certificate_for_other_names():
    world = installed()
    moved = World(*({**each, "metadata": {**each["metadata"], "namespace": "there"}} for each in
                    (secret(world, SIGNER), secret(world, SERVER), world.get("ConfigMap", BUNDLE, CDI))))  # fmt: skip
    [asked] = [a for a in plan(observe(moved, ("there", "cdi-api")), SETTINGS, NOW) if isinstance(a, Issue)]
    assert (asked.why, asked.dns_names[-1]) == ("it is not for this server", "cdi-api.there.svc")


# The bundle ----------------------------------------------------------------------------------------------------------


def test_a_new_signer_is_trusted_beside_the_old_one():
    """Who holds a connection, or has yet to hear of the new one, is not cut off; the server need not change now."""
    world = installed()
    old, shown = certificate(world, SIGNER), certificate(world, SERVER)
    edit(world, SIGNER, **PAST)
    settle(world, look)
    assert bundle(world) == (old, certificate(world, SIGNER))
    assert certificate(world, SERVER) == shown
    assert trusted_by(world, "MutatingWebhookConfiguration", "cdi-api-pvc-mutate") == pem.bundle(bundle(world))
    edit(world, SERVER, **PAST)
    settle(world, look)
    assert connects(world, [certificate(world, SIGNER)])
    world.now = NOW + 49 * HOUR
    settle(world, look)
    assert old not in bundle(world)


@pytest.mark.parametrize(
    "damage",
    [
        {"data": {"ca-bundle.crt": "garbage"}},
        {"data": {"ca-bundle.crt": ""}},
        {"data": None},
        {"data": {"ca-bundle.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}},
    ],
)
def test_a_damaged_bundle_is_written_anew(damage):
    world = installed()
    world.edit("ConfigMap", BUNDLE, damage, CDI)
    settle(world, look)
    assert bundle(world) == (certificate(world, SIGNER),)


@pytest.mark.parametrize(("kind", "name"), [("ConfigMap", BUNDLE), ("Secret", SIGNER), ("Secret", SERVER)])
def test_what_somebody_deletes_is_made_again(kind, name):
    world = installed()
    world.delete(kind, name, CDI)
    settle(world, look)
    assert connects(world, bundle(world))


def test_a_ca_bundle_that_somebody_changed():
    world = installed()
    told = trusted_by(world, "MutatingWebhookConfiguration", "cdi-api-pvc-mutate")
    hook = world.get("MutatingWebhookConfiguration", "cdi-api-pvc-mutate")["webhooks"][0]
    spoilt = merge_patch(hook, {"clientConfig": {"caBundle": "eA=="}})
    world.edit("MutatingWebhookConfiguration", "cdi-api-pvc-mutate", {"webhooks": [spoilt]})
    settle(world, look)
    assert trusted_by(world, "MutatingWebhookConfiguration", "cdi-api-pvc-mutate") == told


# Over time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "configured",
    [
        None,
        {"ca": {"duration": "20h", "renewBefore": "10h"}},
        {"ca": {"duration": "13h", "renewBefore": "1h"}, "server": {"duration": "12h", "renewBefore": "11h"}},
        {"server": {"duration": "3h", "renewBefore": "1h"}},
    ],
)
def test_no_caller_is_ever_cut_off(configured):
    """Five days, an hour at a time: at every step, who trusts what was said a step before accepts what is shown now."""
    world = installed(obj("CDI", "cdi", namespace="", spec={"certConfig": configured} if configured else {}))
    trusted = bundle(world)
    for hour in range(120):
        world.now = NOW + hour * HOUR
        for _ in range(STEPS):
            asked = tuple(action for action in look(world) if not isinstance(action, Wait))
            if not asked:
                break
            world.apply(asked)
            assert connects(world, trusted)
            trusted = bundle(world)
        else:
            raise AssertionError(f"still asking at hour {hour}: {asked}")
        assert connects(world, trusted)
        assert len(trusted) <= 3


@pytest.mark.parametrize(
    ("later", "wanted_s"), [(timedelta(0), 60.0), (12 * HOUR - timedelta(seconds=20), 20.0), (12 * HOUR, 1.0)]
)
def test_when_to_look_again(later, wanted_s):
    world = installed()
    world.now = NOW + later
    assert [action.seconds for action in look(world) if isinstance(action, Wait)] == [wanted_s]


def test_other_services_are_not_ours():
    assert observe(World(), (CDI, "cdi-uploadproxy")) is None


# certConfig of the CDI object ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "ca_hours", "server_hours"),
    [
        (None, 48, 24),
        ({"ca": {"duration": "20h", "renewBefore": "10h"}}, 20, 20),
        ({"server": {"duration": "2h0m0s", "renewBefore": "30m"}}, 48, 2),
        ({"server": {"duration": "1h"}}, 48, 1),
        ({"server": {"duration": "1h", "renewBefore": "2h"}}, 48, 24),
        ({"server": {"duration": "forever"}}, 48, 24),
    ],
)
def test_configured_lifetimes(configured, ca_hours, server_hours):
    cdi = obj("CDI", "cdi", namespace="", spec={"certConfig": configured} if configured else {})
    world = installed(cdi)
    assert certificate(world, SIGNER).not_valid_after_utc == NOW + ca_hours * HOUR
    assert certificate(world, SERVER).not_valid_after_utc == NOW + server_hours * HOUR


def test_a_configured_lifetime_is_noted_as_go_writes_it():
    cdi = obj("CDI", "cdi", namespace="", spec={"certConfig": {"server": {"duration": "90m", "renewBefore": "15m"}}})
    note = secret(installed(cdi), SERVER)["metadata"]["annotations"][names.CERT_CONFIG]
    assert note == '{"lifetime":"1h30m0s","refresh":"1h15m0s"}'


def test_steps_are_ensured_for_the_version_that_was_seen():
    world = installed()
    edit(world, SERVER, **PAST)
    [asked] = [action for action in look(world) if isinstance(action, Issue)]
    assert asked.secret["metadata"]["resourceVersion"] == secret(world, SERVER)["metadata"]["resourceVersion"]
    assert not [action for action in look(world) if isinstance(action, Ensure)]


def test_the_certificate_can_be_read_by_others():
    """The form that every TLS library takes."""
    assert certificate(installed(), SERVER).public_bytes(Encoding.PEM).startswith(b"-----BEGIN CERTIFICATE-----")
