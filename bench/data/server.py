"""A real nginx on loopback, as users have it in front of their images; it also says how many bytes it has sent."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CAP_BYTES_PER_S = 100_000_000
"""Of each connection under /capped/: what object stores and mirrors give to one."""

CONFIGURATION = """
daemon off; user root; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
events {{}}
http {{
  log_format sent '$body_bytes_sent'; access_log {home}/sent.log sent; client_body_temp_path {home}/t1;
  proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {files}; }}
    location /capped/ {{ alias {files}/; limit_rate {cap}; }}
  }}
}}
"""


@dataclass(frozen=True)
class WebServer:
    files: Path
    home: Path
    port: int

    def url(self, image: Path, way: str = "") -> str:
        """`way` is empty, or `capped/`."""
        return f"http://127.0.0.1:{self.port}/{way}{image.relative_to(self.files)}"

    def sent_bytes(self) -> int:
        """All that has been sent so far. The log is written when a request ends, which may be a moment after us."""
        seen = -1
        while (size := (self.home / "sent.log").stat().st_size) != seen:
            seen = size
            time.sleep(0.05)
        return sum(map(int, (self.home / "sent.log").read_text().split()))


@contextmanager
def serving(files: Path) -> Iterator[WebServer]:
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as probe:
        home, port = Path(directory), probe.getsockname()[1]
        probe.close()
        text = CONFIGURATION.format(home=home, files=files, port=port, cap=CAP_BYTES_PER_S)
        (home / "nginx.conf").write_text(text)
        # Whatever becomes of us, it ends when we do.
        with_us = ["setpriv", "--pdeathsig", "TERM"]
        process = subprocess.Popen([*with_us, "nginx", "-c", home / "nginx.conf", "-e", home / "error.log"])
        try:
            while process.poll() is None and not listening(port):
                time.sleep(0.01)
            if process.returncode is not None:
                raise SystemExit(f"nginx ended with {process.returncode}")
            yield WebServer(files, home, port)
        finally:
            process.terminate()
            process.wait()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
