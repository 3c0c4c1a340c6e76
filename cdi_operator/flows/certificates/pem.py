"""Certificates as text: PEM in, values out. What cannot be read is not there."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, DNSName, SubjectAlternativeName, load_pem_x509_certificate
from cryptography.x509.extensions import ExtensionNotFound
from cryptography.x509.oid import NameOID

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


def certificates(text: str) -> tuple[Certificate, ...]:
    return tuple(each for block in _BLOCK.findall(text) if (each := _certificate(block)) is not None)


def bundle(each: Iterable[Certificate]) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in each)


def certificate_of(encoded: str) -> Certificate | None:
    """The first certificate in an entry of a Secret."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return next(iter(certificates(text)), None)


def dns_names(certificate: Certificate) -> frozenset[str]:
    """The names of the server that shows it."""
    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(found.get_values_for_type(DNSName))


def common_name(certificate: Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def is_signed_by(certificate: Certificate, authority: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _certificate(block: str) -> Certificate | None:
    try:
        return load_pem_x509_certificate(block.encode())
    except ValueError:
        return None
