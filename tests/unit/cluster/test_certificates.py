"""Keys and certificates as they are made; that they are accepted, the flow's own tests show."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.x509 import BasicConstraints, KeyUsage, load_pem_x509_certificate

from cdi_operator.cluster.certificates import UnusableSignerError, issued
from cdi_operator.flows.actions import Issue, Ref
from tests.unit.world import NOW

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "type": "kubernetes.io/tls"}
AUTHORITY = Issue(SECRET, "authority", NOW, NOW + timedelta(hours=48), "there is none")
SERVER = Issue(
    SECRET,
    "server",
    NOW,
    NOW + timedelta(hours=24),
    "there is none",
    Ref("v1", "Secret", "signer", "cdi"),
    ("a", "a.b"),
)


def test_an_authority_signs_and_a_server_does_not() -> None:
    signer = issued(AUTHORITY, None)
    certificates = [load_pem_x509_certificate(base64.b64decode(each["data"]["tls.crt"])) for each in
                    (signer, issued(SERVER, signer))]  # fmt: skip
    constraints = [each.extensions.get_extension_for_class(BasicConstraints).value.ca for each in certificates]
    usages = [each.extensions.get_extension_for_class(KeyUsage).value.key_cert_sign for each in certificates]
    assert constraints == usages == [True, False]
    certificates[1].verify_directly_issued_by(certificates[0])


def test_no_two_keys_are_the_same() -> None:
    assert issued(AUTHORITY, None)["data"]["tls.key"] != issued(AUTHORITY, None)["data"]["tls.key"]


@pytest.mark.parametrize(
    "damage",
    [{}, {"tls.crt": ""}, {"tls.key": "bm8ga2V5"}, {"tls.key": "%%"}],
)
def test_a_signer_of_no_use(damage: dict[str, Any]) -> None:
    whole = issued(AUTHORITY, None)["data"]
    with pytest.raises(UnusableSignerError):
        issued(SERVER, {"data": {**whole, **damage} if damage else {}})


def test_a_signer_with_another_s_key() -> None:
    one, other = issued(AUTHORITY, None)["data"], issued(AUTHORITY, None)["data"]
    with pytest.raises(UnusableSignerError, match="another"):
        issued(SERVER, {"data": {**one, "tls.key": other["tls.key"]}})
