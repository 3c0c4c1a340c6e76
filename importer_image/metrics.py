"""The metrics endpoint of a worker: HTTPS on the port that the pod names `metrics` (spec 3.8).

The controller asks every two seconds, most pods are gone by then: so nothing but a listening socket is made at the
start, and everything else (the HTTP server of the standard library, a certificate) when the first client is there.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any

from importer_image.log import log
from importer_image.progress import Snapshot

CLIENT_TIMEOUT_S = 10.0


def serve_metrics(port: int, owner_uid: str, snapshot: Callable[[], Snapshot]) -> int:
    """Answer until the process ends; returns the port (a free one for 0). Raises OSError when it is taken."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listener = socket.create_server(("", port), family=family, dualstack_ipv6=family == socket.AF_INET6)
    Thread(target=_serve, args=(listener, owner_uid, snapshot), daemon=True).start()
    return int(listener.getsockname()[1])


def _serve(listener: socket.socket, owner_uid: str, snapshot: Callable[[], Snapshot]) -> None:
    select.select([listener], [], [])
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from importer_image.certificate import self_signed_context

    try:
        context = self_signed_context("cdi-importer")
    except OSError as error:
        log("no metrics", error=str(error))
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S

        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def do_GET(self) -> None:
            known = self.path == "/metrics"
            body = exposition(snapshot(), owner_uid).encode() if known else b"not found\n"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are no events."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that breaks off, or does not speak TLS, is no event either."""

    server = Server(("", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


def exposition(now: Snapshot, owner_uid: str) -> str:
    """The text format of Prometheus. What is not known is left out.

    The first is the reference's, and stands first with no other label: clients find it by pattern (spec 3.8).
    """
    percent = None if now.percent is None else round(now.percent, 2)
    about = {"stage": now.stage, "format": now.format}
    rows: tuple[tuple[str, str, str, float | None, dict[str, str]], ...] = (
        ("progress_total", "counter", "The import progress in percentage", percent, {}),
        ("source_bytes_total", "counter", "Bytes that have come from the source", now.source_bytes, {}),
        ("source_size_bytes", "gauge", "Size of the source", now.total_bytes, {}),
        ("resumed_bytes", "gauge", "Bytes of the source that earlier attempts had fetched", now.resumed_bytes, {}),
        ("written_bytes_total", "counter", "Bytes written to the volume", now.written_bytes, {}),
        ("virtual_size_bytes", "gauge", "Size of the disk in the image", now.virtual_bytes, {}),
        ("speed_bytes_per_second", "gauge", "Speed over the last seconds", round(now.speed), {}),
        ("average_speed_bytes_per_second", "gauge", "Speed since the beginning", round(now.average), {}),
        ("eta_seconds", "gauge", "Time until the last byte has come", now.eta_s, {}),
        ("info", "gauge", "What the importer does, and the format of the image", 1, about),
    )
    lines = []
    for name, kind, help_text, value, more in rows:
        if value is not None:
            name = f"kubevirt_cdi_import_{name}"
            labels = ",".join(f'{label}="{text}"' for label, text in {"ownerUID": owner_uid, **more}.items())
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f"{name}{{{labels}}} {exact(value)}"]
    return "\n".join([*lines, ""])


def exact(value: float) -> str:
    """Whole numbers with all their digits."""
    return str(value) if isinstance(value, int) else f"{value:.10g}"
