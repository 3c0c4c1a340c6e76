"""The upload proxy's address and certificate: from Ingresses, Routes and certificates of any shape (spec 1.5, 8.5)."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cdi_operator.flows.config import observe, plan
from cdi_operator.flows.config.certificates import certificate_for
from cdi_operator.flows.settings import Settings
from tests.unit.world import NOW, World, settle

SETTINGS = Settings(namespace="cdi", importer_image="importer")
HOST = "upload.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())


def status(*objects, **spec):
    world = World({"kind": "CDIConfig", "metadata": {"name": "config"}, "spec": spec}, *objects)
    settle(world, lambda world: plan(observe(world, ("", "config")), SETTINGS, NOW))
    return world.get("CDIConfig", "config")["status"]


def to(service):
    return {"service": {"name": service, "port": {"number": 443}}}


def rule(*backends, host=HOST):
    return {"host": host, "http": {"paths": [{"path": "/", "backend": backend} for backend in backends]}}


def ingress(name="in", **spec):
    return {"kind": "Ingress", "metadata": {"name": name, "namespace": "cdi"}, "spec": spec}


def route(host=HOST, to="cdi-uploadproxy"):
    shown = {"status": {"ingress": [{"host": host}]}} if host else {}
    meta = {"name": "cdi-uploadproxy", "namespace": "cdi"}
    return {"kind": "Route", "metadata": meta, "spec": {"to": {"kind": "Service", "name": to}}, **shown}


PROXY, OTHER = to("cdi-uploadproxy"), to("other")
ELSEWHERE = {"resource": {"kind": "Bucket", "name": "b"}}


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([], None),
        ([ingress(rules=[rule(PROXY)])], HOST),
        ([ingress(rules=[rule(OTHER, PROXY)])], HOST),
        ([ingress(rules=[rule(OTHER, host="o"), rule(PROXY)])], HOST),
        ([ingress(defaultBackend=PROXY, rules=[rule(OTHER)])], HOST),
        ([ingress(rules=[rule(OTHER)])], None),
        ([ingress(defaultBackend=OTHER)], None),
        ([ingress(defaultBackend=PROXY)], None),
        ([ingress(defaultBackend=PROXY, rules=[])], None),
        ([ingress(defaultBackend=PROXY, rules=[{}])], None),
        ([ingress(defaultBackend=ELSEWHERE, rules=[rule(ELSEWHERE)])], None),
        ([ingress(rules=[{"host": HOST}])], None),
        ([ingress(rules=[{"host": HOST, "http": {}}])], None),
        ([ingress(rules=[{"host": HOST, "http": {"paths": [{}]}}])], None),
        ([ingress(rules=[rule(PROXY, host="")])], None),
        ([ingress(rules=None)], None),
        ([{"kind": "Ingress", "metadata": {"name": "in", "namespace": "cdi"}}], None),
        ([ingress("b", rules=[rule(PROXY, host="b")]), ingress("a", rules=[rule(PROXY, host="a")])], "a"),
        ([ingress("a", rules=[rule(OTHER)]), ingress("b", rules=[rule(PROXY)])], HOST),
        ([route()], HOST),
        ([route(host="")], None),
        ([route(to="other")], None),
        ([route("r"), ingress(rules=[rule(PROXY)])], HOST),
        ([route("r"), ingress(rules=[rule(OTHER)])], "r"),
    ],
)
def test_address(objects, wanted):
    assert status(*objects).get("uploadProxyURL") == wanted


def test_an_address_given_by_hand_goes_before_all():
    shown = status(ingress(rules=[rule(PROXY)]), route(), uploadProxyURLOverride="https://by.hand")
    assert shown["uploadProxyURL"] == "https://by.hand"
    assert "uploadProxyCA" not in shown


def test_it_goes_with_the_ingress():
    world = World({"kind": "CDIConfig", "metadata": {"name": "config"}, "spec": {}}, ingress(rules=[rule(PROXY)]))
    settle(world, lambda world: plan(observe(world, ("", "config")), SETTINGS, NOW))
    world.delete("Ingress", "in", "cdi")
    settle(world, lambda world: plan(observe(world, ("", "config")), SETTINGS, NOW))
    assert "uploadProxyURL" not in world.get("CDIConfig", "config")["status"]


# Certificates -------------------------------------------------------------------------------------------------------


@cache
def pem(common_name="x", *hosts, days=1):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    start = datetime(2025, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 1, start, start + timedelta(days=days))
    if hosts:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", ""),
        ("no certificate", ""),
        (pem("x", HOST), pem("x", HOST)),
        (pem("x", "other", HOST), pem("x", "other", HOST)),
        (pem("x", "*.example.com"), pem("x", "*.example.com")),
        (pem("x", "*.com"), ""),
        (pem("x", "UPLOAD.Example.com"), pem("x", "UPLOAD.Example.com")),
        (pem(HOST), pem(HOST)),
        (pem(HOST, "other"), ""),
        (pem("ca") + pem("x", HOST), pem("x", HOST)),
        (pem("x", HOST, days=9) + pem("x", HOST, days=1), pem("x", HOST, days=9)),
    ],
)
def test_certificate(given, wanted):
    assert certificate_for(HOST, given) == wanted


def secret():
    encoded = base64.b64encode(pem("x", HOST).encode()).decode()
    return {"kind": "Secret", "metadata": {"name": "tls", "namespace": "cdi"}, "data": {"tls.crt": encoded}}


def with_tls(*entries):
    return ingress(rules=[rule(PROXY)], tls=list(entries))


BROKEN = {"kind": "Secret", "metadata": {"name": "tls", "namespace": "cdi"}, "data": {"tls.crt": "%%%"}}
EMPTY = {"kind": "Secret", "metadata": {"name": "tls", "namespace": "cdi"}}
ROOTS = {"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": "cdi"}}


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([with_tls({"hosts": [HOST], "secretName": "tls"}), secret()], pem("x", HOST)),
        ([with_tls({"hosts": ["*.example.com"], "secretName": "tls"}), secret()], pem("x", HOST)),
        ([with_tls({"secretName": "tls"}), secret()], pem("x", HOST)),
        ([with_tls({"hosts": ["other"], "secretName": "tls"}), secret()], None),
        ([with_tls({"secretName": "tls"})], None),
        ([with_tls({}), secret()], None),
        ([with_tls({"secretName": "tls"}), BROKEN], None),
        ([with_tls({"secretName": "tls"}), EMPTY], None),
        ([route(), {**ROOTS, "data": {"ca.crt": pem("ca") + pem("x", "*.example.com")}}], pem("x", "*.example.com")),
        ([route(), {**ROOTS, "data": {"ca.crt": pem("ca")}}], None),
        ([route(), ROOTS], None),
        ([route()], None),
    ],
)
def test_certificate_of_the_address(objects, wanted):
    assert status(*objects).get("uploadProxyCA") == wanted
