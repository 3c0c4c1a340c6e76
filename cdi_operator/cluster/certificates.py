"""Makes keys and certificates, which no plan can foresee, as a plan asks for them; and shows them to clients."""

from __future__ import annotations

import base64
import os
import ssl
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cdi_operator.flows.actions import Issue, Object


class UnusableSignerError(Exception):
    """The signer's Secret holds no certificate, or no key that belongs to it."""


def issued(request: Issue, signer: Object | None) -> dict[str, Any]:
    """The Secret that was asked for, with its data. `signer` is the Secret that the request names, if it names one.

    Raises UnusableSignerError.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)])
    authority, signing_key = _pair(signer) if signer else (None, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.subject if authority else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(request.begins)
        .not_valid_after(request.ends)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(_usage(signs=authority is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if request.dns_names:
        known_as = x509.SubjectAlternativeName([x509.DNSName(each) for each in request.dns_names])
        serves = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(known_as, critical=False).add_extension(serves, critical=False)
    certificate = builder.sign(signing_key, hashes.SHA256())
    data = {
        "tls.crt": certificate.public_bytes(Encoding.PEM),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    return {**request.secret, "data": {field: base64.b64encode(value).decode() for field, value in data.items()}}


def show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """From now on, with this certificate (PEM). OpenSSL's binding takes files only, but the key is never on a disk.

    Raises ssl.SSLError for text that is no certificate, or a key that is not the certificate's; what `context` shows
    then is not defined.
    """
    memory = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(memory, key + b"\n" + certificate)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)


def _pair(secret: Object) -> tuple[x509.Certificate, Any]:
    try:
        encoded = (secret["data"][field] for field in ("tls.crt", "tls.key"))
        text, key_text = (base64.b64decode(each, validate=True) for each in encoded)
        certificate, key = x509.load_pem_x509_certificate(text), load_pem_private_key(key_text, None)
    except (KeyError, ValueError, TypeError) as error:
        raise UnusableSignerError(f"it cannot be read: {error}") from error
    if certificate.public_key() != key.public_key():
        raise UnusableSignerError("its key is another certificate's")
    return certificate, key


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
