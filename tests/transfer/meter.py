"""A wire to a server that counts what comes back over it, and can be held at any byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Condition, Thread
from typing import Any

STEP_BYTES = 64 << 10


@dataclass
class Meter:
    server_port: int
    port: int = 0
    passed_bytes: int = 0
    limit_bytes: int | None = None
    """Nothing more comes through after so many."""
    changed: Condition = field(default_factory=Condition)

    def url(self, url: str) -> str:
        return url.replace(f":{self.server_port}/", f":{self.port}/")

    def opened(self, limit_bytes: int | None = None) -> None:
        """Count from zero, for one more client."""
        with self.changed:
            self.passed_bytes, self.limit_bytes = 0, limit_bytes
            self.changed.notify_all()

    def held(self) -> bool:
        """Wait until the limit is reached; False where that takes a minute."""
        with self.changed:
            return self.changed.wait_for(lambda: self.passed_bytes == self.limit_bytes, 60)

    def may_pass(self, count: int) -> int:
        """How many of these bytes may go on now, at least one unless the wire is held."""
        with self.changed:
            count = count if self.limit_bytes is None else min(count, self.limit_bytes - self.passed_bytes)
            self.passed_bytes += count
            self.changed.notify_all()
            return count


@contextmanager
def metered(server_port: int) -> Iterator[Meter]:
    meter = Meter(server_port)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", server_port)) as there:
                forth = Thread(target=self.forth, args=(there,))
                forth.start()
                with suppress(OSError):
                    while data := there.recv(STEP_BYTES):
                        passing = meter.may_pass(len(data))
                        self.request.sendall(data[:passing])
                        if passing < len(data):
                            break
                    else:
                        self.request.shutdown(socket.SHUT_WR)
                forth.join()

        def forth(self, there: socket.socket) -> None:
            with suppress(OSError):
                while data := self.request.recv(STEP_BYTES):
                    there.sendall(data)
            with suppress(OSError):
                there.shutdown(socket.SHUT_RDWR)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 16

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that are killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        meter.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield meter
        finally:
            server.shutdown()
            thread.join()
