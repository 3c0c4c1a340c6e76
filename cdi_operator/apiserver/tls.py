"""Which certificate the server shows and which versions of TLS it speaks; both may change while it serves.

A change holds for every connection that is made after it. Spec 8.4 (certificate), 8.5 (tlsSecurityProfile).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from cdi_operator.cluster import certificates

OLDEST = {
    "VersionTLS10": ssl.TLSVersion.TLSv1,
    "VersionTLS11": ssl.TLSVersion.TLSv1_1,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}
PROFILES = {"Old": "VersionTLS10", "Intermediate": "VersionTLS12", "Modern": "VersionTLS13"}
_INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)


class UnusableCertificateError(Exception):
    """Text that is no certificate, or a key that is not the certificate's. The message is OpenSSL's."""


class _Connection(ssl.SSLObject):
    """Tells the client why the handshake failed, such as `protocol version not supported`.

    asyncio drops a connection whose handshake fails, and with it the alert that OpenSSL has ready. Asked to wait for
    more instead, it sends what is ready; the client hangs up, or the next try ends it.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            raise ssl.SSLWantReadError from error


def context() -> ssl.SSLContext:
    """Without a certificate yet; speaks as the profile Intermediate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.sslobject_class = _Connection
    obey(made, {})
    return made


def show(made: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """From now on, with this certificate (PEM). Raises UnusableCertificateError, and then shows what it did before."""
    try:
        certificates.show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except ssl.SSLError as error:
        raise UnusableCertificateError(str(error)) from error
    certificates.show(made, certificate, key)


def obey(made: ssl.SSLContext, profile: Mapping[str, Any]) -> None:
    """Speak only what a tlsSecurityProfile allows; one that cannot be obeyed counts as Intermediate."""
    kind = profile.get("type") or "Intermediate"
    given = (profile.get("custom") or {}) if kind == "Custom" else {}
    oldest = given.get("minTLSVersion") if kind == "Custom" else PROFILES.get(kind)
    made.minimum_version = OLDEST.get(oldest or "", ssl.TLSVersion.TLSv1_2)
    try:
        made.set_ciphers(":".join(given.get("ciphers") or _INTERMEDIATE if kind != "Old" else ("DEFAULT@SECLEVEL=0",)))
    except ssl.SSLError:
        made.set_ciphers(":".join(_INTERMEDIATE))
