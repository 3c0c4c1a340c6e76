"""A web server that fails as told: each request takes the next fault from a list; when none is left, all is well."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True)
class Fault:
    status: int = 0
    """Answer with it instead of the content."""
    headers: tuple[tuple[str, str], ...] = ()
    """Added to the answer, or instead of what it would say."""
    cut_after: int | None = None
    """Break the connection after so many bytes of the body: orderly, or with a reset."""
    reset: bool = False
    meanwhile: Callable[[], object] | None = None
    """Called between the headers and the body."""
    ignore_range: bool = False


@dataclass
class Faulty:
    content: bytes
    faults: list[Fault] = field(default_factory=list)
    etag: str = '"1"'
    ranges: bool = True
    length: bool = True
    chunked: bool = False
    asked: list[str] = field(default_factory=list)
    """Method, path and range of every request."""
    port: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/image"

    def next_fault(self, asked: str) -> Fault:
        with self.lock:
            self.asked.append(asked)
            return self.faults.pop(0) if self.faults else Fault()


@contextmanager
def faulty(content: bytes, faults: Sequence[Fault] = (), **settings: Any) -> Iterator[Faulty]:
    state = Faulty(content, list(faults), **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fault = state.next_fault(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            if fault.status:
                self.answer(fault.status, {"Content-Length": "0", **dict(fault.headers)})
                return
            first, last = self.wanted() if state.ranges and not fault.ignore_range else (0, None)
            body = state.content[first : None if last is None else last + 1]
            headers = {"ETag": state.etag, "Content-Length": str(len(body))}
            if last is not None:
                headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{len(state.content)}"
            if state.chunked:
                headers["Transfer-Encoding"] = "chunked"
                del headers["Content-Length"]
            if not state.length:
                del headers["Content-Length"]
                headers["Connection"] = "close"
            self.answer(
                200 if last is None else 206,
                {name: text for name, text in (headers | dict(fault.headers)).items() if text},
            )
            if state.chunked:
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            if fault.meanwhile:
                fault.meanwhile()
            try:
                self.wfile.write(body[: fault.cut_after])
                self.wfile.flush()
            except OSError:
                self.close_connection = True
            if fault.cut_after is not None:
                self.hang_up(fault.reset)

        def wanted(self) -> tuple[int, int | None]:
            text = self.headers.get("Range")
            if not text:
                return 0, None
            first, last = text.removeprefix("bytes=").split("-")
            return int(first), min(int(last), len(state.content) - 1)

        def answer(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()

        def hang_up(self, reset: bool) -> None:
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `asked`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
