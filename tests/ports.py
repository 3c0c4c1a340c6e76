"""Ports for the servers that tests start.

None of those that the kernel hands out: whoever connects somewhere meanwhile is given one of them, and a server that
comes a moment later finds it taken. None of a cluster's node ports either, where others get what is sent.
"""

from __future__ import annotations

import errno
import random
import socket

PORTS = range(10_000, 30_000)
chance = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """So many different ones, where nobody listens on any address."""
    found: list[int] = []
    while len(found) < count:
        port = chance.choice(PORTS)
        if port not in found and is_free(port):
            found.append(port)
    return found


def free_port() -> int:
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True
