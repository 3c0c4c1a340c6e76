"""Something between client and server that breaks connections: what it does not break arrives as it was sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from typing import Any

from tests.transfer.proxy import pump


@dataclass
class Relay:
    to: int
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of its answers each connection is broken, in the order in which they are made."""
    port: int = 0
    made: int = 0
    """Connections."""
    lock: Lock = field(default_factory=Lock)

    def next_cut(self) -> int | None:
        with self.lock:
            self.made += 1
            return self.cuts.pop(0) if self.cuts else None


@contextmanager
def relaying(to: int, cuts: Sequence[int]) -> Iterator[Relay]:
    relay = Relay(to, list(cuts))

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            left = relay.next_cut()
            with socket.create_connection(("127.0.0.1", relay.to)) as there:
                forth = Thread(target=pump, args=(self.request, there))
                forth.start()
                if left is None:
                    pump(there, self.request)
                else:
                    with suppress(OSError):
                        while left and (data := there.recv(min(left, 1 << 16))):
                            self.request.sendall(data)
                            left -= len(data)
                for sock in (self.request, there):
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                forth.join()

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that hang up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        relay.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()
