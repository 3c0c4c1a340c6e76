"""What goes wrong below HTTP, told in the words of the reference. Pure: an exception in, a failure out."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from http.client import HTTPException, RemoteDisconnected

from importer_image.errors import ImportFailure, Permanent, Transient
from importer_image.source.address import Address

BROKEN = (OSError, HTTPException)
"""What connections raise; ssl.SSLError and socket.gaierror are among the OSErrors."""

NOT_THERE = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


class PlainText(Permanent):
    """The server does not speak TLS."""


def failure_of(error: OSError | HTTPException, address: Address, hop: Address, verb: str = "Get") -> ImportFailure:
    """`hop` is the host that was to be connected to: that of the address or its proxy."""
    kind, words, hint = _told(error, hop)
    return kind(f'HTTP request errored: {verb} "{address.shown}": {words}', hint)


def _told(error: OSError | HTTPException, hop: Address) -> tuple[type[ImportFailure], str, str]:
    dialled = f"dial tcp {hop.host}:{hop.port}: connect"
    match error:
        case socket.gaierror():
            known = error.errno in NOT_THERE
            words = "no such host" if known else (error.strerror or "server misbehaving").lower()
            return Transient, f"dial tcp: lookup {hop.host}: {words}", "Check the host name in the URL, and the DNS."
        case ssl.SSLCertVerificationError():
            return (
                Permanent,
                f"tls: failed to verify certificate: x509: {error.verify_message}",
                "Put the certificate authority of the server into a ConfigMap and name it in certConfigMap (--cacert).",
            )
        case ssl.SSLError() if error.reason == "WRONG_VERSION_NUMBER":
            return PlainText, "http: server gave HTTP response to HTTPS client", "Use http:// for this server."
        case ssl.SSLError():
            return Transient, f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}", ""
        case TimeoutError():
            return Transient, f"tcp {hop.host}:{hop.port}: i/o timeout", "Check that the server can be reached."
        case ConnectionRefusedError():
            return Transient, f"{dialled}: connection refused", "Check that the server runs and the port is right."
        case RemoteDisconnected() | HTTPException():
            return Transient, f"malformed HTTP response: {str(error) or type(error).__name__}", ""
        case OSError() if error.errno in (errno.ECONNRESET, errno.EPIPE):
            return Transient, "read: connection reset by peer", ""
        case OSError():
            return Transient, f"{dialled}: {os.strerror(error.errno).lower() if error.errno else error}", ""
    raise AssertionError(error)
