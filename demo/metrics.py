"""The metrics of a controller pod, read as Prometheus reads them: with the reader's token, over HTTPS (spec 9)."""

from __future__ import annotations

import ssl
import urllib.request

from devcluster.kubectl import Kubectl

READER = "cdi-metrics-reader"
PORT = 8443
TIMEOUT_S = 10.0


def read(own: Kubectl, pod: str) -> str:
    """`own`: kubectl in the namespace of the installation. Raises DevclusterError and OSError."""
    token = own("create", "token", READER).strip()
    with own.forward(f"pod/{pod}", PORT) as port:
        return fetch(port, token)


def fetch(port: int, token: str) -> str:
    """From a port of this machine that leads to a controller."""
    request = urllib.request.Request(f"https://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    # Each replica makes its certificate itself.
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:
        text: str = answer.read().decode()
        return text
