"""A certificate that lives as long as the process, for an endpoint whose clients check who they are, not who we are."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=3650)
CLOCKS_DIFFER = timedelta(days=1)
"""So much earlier than now it is valid already."""


def self_signed_context(common_name: str) -> ssl.SSLContext:
    """The server's side of TLS 1.2 and newer, with a key that is never on a disk."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(memory, _pem(common_name))
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context


def _pem(common_name: str) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - CLOCKS_DIFFER, now + LIFETIME
    )
    alternative = x509.SubjectAlternativeName([x509.DNSName(common_name)])
    made = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + made.public_bytes(Encoding.PEM)
