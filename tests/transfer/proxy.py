"""A forward proxy that leads everything to one place, plain or in TLS, with a password if told."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any


@dataclass
class Proxy:
    ports: dict[str, int]
    """Where requests (http) and tunnels (https) really go, on `host`."""
    host: str = "127.0.0.1"
    address: str = "127.0.0.1"
    """Where it listens."""
    password: str = ""
    certificate: tuple[Path, Path] | None = None
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, credentials: str = "") -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{credentials}{'@' if credentials else ''}{self.address}:{self.port}"


@contextmanager
def proxying(ports: dict[str, int], **settings: Any) -> Iterator[Proxy]:
    proxy = Proxy(ports, **settings)

    class Handler(StreamRequestHandler):
        def setup(self) -> None:
            if proxy.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*proxy.certificate)
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def handle(self) -> None:
            while line := self.rfile.readline().decode().strip():
                proxy.asked.append(line)
                head = [line, *iter(lambda: self.rfile.readline().decode().strip(), "")]
                if proxy.password and not any(field.endswith(b64(proxy.password)) for field in head):
                    self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                elif line.startswith("CONNECT"):
                    self.tunnel()
                    return
                else:
                    self.forward(head)

        def tunnel(self) -> None:
            with socket.create_connection((proxy.host, proxy.ports["https"])) as there:
                self.wfile.write(b"HTTP/1.1 200 go ahead\r\n\r\n")
                back = Thread(target=pump, args=(there, self.request))
                back.start()
                pump(self.request, there)
                back.join()

        def forward(self, head: list[str]) -> None:
            """One request, one connection: the answer ends with it."""
            method, url, version = head[0].split()
            path = "/" + url.split("/", 3)[3]
            lines = [f"{method} {path} {version}", "Connection: close"]
            lines += [field for field in head[1:] if not field.lower().startswith(("connection", "proxy-"))]
            with socket.create_connection((proxy.host, proxy.ports["http"])) as there:
                there.sendall("\r\n".join([*lines, "", ""]).encode())
                pump(there, self.request)

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that hang up."""

    with Server((proxy.address, 0), Handler) as server:
        proxy.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()
