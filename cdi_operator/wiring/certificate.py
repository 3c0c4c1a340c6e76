"""A certificate that lives as long as the process, for an endpoint whose clients check who they are, not who we are."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta

from cdi_operator.cluster.certificates import issued, show
from cdi_operator.flows.actions import Issue

LIFETIME = timedelta(days=3650)
CLOCKS_DIFFER = timedelta(days=1)
"""So much earlier than now it is valid already."""


def self_signed_context(common_name: str) -> ssl.SSLContext:
    """The server's side of TLS 1.2 and newer, with a key that is never on a disk."""
    now = datetime.now(UTC)
    made = issued(
        Issue({}, common_name, now - CLOCKS_DIFFER, now + LIFETIME, "a start", dns_names=(common_name,)), None
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    show(context, *(base64.b64decode(made["data"][part]) for part in ("tls.crt", "tls.key")))
    return context
