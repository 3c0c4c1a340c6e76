"""Which of several certificates a client needs to trust a host: the one that speaks for its name (spec 1.5)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def certificate_for(host: str, pem: str) -> str:
    """The one that is valid longest of those for `host`, as PEM; empty when there is none, or `pem` is none."""
    try:
        speaking = [each for each in x509.load_pem_x509_certificates(pem.encode()) if speaks_for(host, each)]
    except ValueError:
        return ""
    if not speaking:
        return ""
    return max(speaking, key=lambda each: each.not_valid_after_utc).public_bytes(Encoding.PEM).decode()


def speaks_for(host: str, certificate: x509.Certificate) -> bool:
    """By name, or by a wildcard for its first label. The common name counts where there is no other (RFC 6125)."""
    host = host.lower()
    wildcard = f"*.{host.partition('.')[2]}"
    return any(name.lower() in (host, wildcard) for name in _names(certificate))


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
