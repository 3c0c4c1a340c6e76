"""How soon the importer asks for the first byte: from the start of the process to a request at the server."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PATIENCE_S = 30.0


def first_request_s(command: Sequence[str], target: str) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/none"
        started = time.monotonic()
        process = subprocess.Popen([*command, url, target], stderr=subprocess.DEVNULL)
        try:
            client, _ = server.accept()
            with client:
                client.recv(1)
                seconds = time.monotonic() - started
                client.sendall(NOT_FOUND)
        finally:
            process.wait()
    return seconds
