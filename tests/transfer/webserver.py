"""A real nginx on loopback, as users have it in front of their images: with ranges or not, secrets, TLS, redirects."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_ports

CONFIGURATION = """
daemon off; user root; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
events {{}}
http {{
  log_format sent '$request_method $uri "$http_range" $http_user_agent $status'; access_log {home}/access.log sent;
  client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  sendfile on; default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {files}; }}
    location /stream/ {{ alias {files}/; max_ranges 0; }}
    location /anonymous/ {{ alias {files}/; max_ranges 0; etag off; add_header Last-Modified ""; }}
    location /chunked/ {{ proxy_pass http://127.0.0.1:{port}/stream/; proxy_set_header Accept-Encoding gzip;
      gunzip on; sub_filter_types *; sub_filter 'no such text in any image' ''; }}
    location /slow/ {{ alias {files}/; limit_rate 400k; }}
    location /get-only/ {{ alias {files}/; if ($request_method != GET) {{ return 403; }} }}
    location /secret/ {{ alias {files}/; auth_basic images; auth_basic_user_file {home}/passwords; }}
    location /header/ {{ alias {files}/; if ($http_x_token != "open sesame") {{ return 403; }} }}
    location /text/ {{ alias {files}/; types {{}} default_type text/plain; }}
    location /moved/ {{ rewrite ^/moved/(.*) /$1 redirect; }}
    location /moved-abroad/ {{ rewrite ^/moved-abroad/(.*) http://localhost:{port}/secret/$1 redirect; }}
    location /loop/ {{ return 302 /loop/; }}
    location /page {{ add_header Content-Type text/html; return 200 "<!DOCTYPE html><html>{page}</html>"; }}
    location /teapot {{ return 418; }}
  }}
  server {{
    listen 127.0.0.1:{tls_port} ssl; ssl_certificate {home}/tls.crt; ssl_certificate_key {home}/tls.key;
    location / {{ root {files}; }}
    location /downgraded/ {{ rewrite ^/downgraded/(.*) http://127.0.0.1:{port}/secret/$1 redirect; }}
  }}
}}
"""


@dataclass(frozen=True)
class WebServer:
    files: Path
    home: Path
    port: int
    tls_port: int

    def url(self, path: Path | str, way: str = "") -> str:
        """`way` is one of the locations above, e.g. `stream/`."""
        name = path.relative_to(self.files) if isinstance(path, Path) else path
        return f"http://127.0.0.1:{self.port}/{way}{name}"

    def tls_url(self, path: Path | str) -> str:
        name = path.relative_to(self.files) if isinstance(path, Path) else path
        return f"https://127.0.0.1:{self.tls_port}/{name}"

    @property
    def certificates(self) -> Path:
        """A directory with the certificate, under a name that says nothing."""
        return self.home / "trust"

    def requests(self) -> list[str]:
        return (self.home / "access.log").read_text().splitlines()


@contextmanager
def serving(home: Path) -> Iterator[WebServer]:
    files = home / "files"
    files.mkdir()
    server = WebServer(files, home, *free_ports(2))
    make_certificate(home)
    (home / "passwords").write_text("images:{PLAIN}let me in\n")
    text = CONFIGURATION.format(home=home, files=files, port=server.port, tls_port=server.tls_port, page="x" * 600)
    (home / "nginx.conf").write_text(text)
    process = subprocess.Popen(["nginx", "-c", home / "nginx.conf", "-e", home / "error.log"])
    try:
        wait_for(server.port, process)
        yield server
    finally:
        process.terminate()
        process.wait()


ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def make_certificate(
    home: Path, *key: str, host: str = "127.0.0.1", names: Sequence[str] = ("localhost", "images.example")
) -> None:
    """`key` is an algorithm of openssl req; `host` and `names`: the address and the names where it is shown."""
    shown = ",".join([f"IP:{host}", *(f"DNS:{name}" for name in names)])
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *(key or ELLIPTIC), "-nodes", "-days", "2",
         "-keyout", home / "tls.key", "-out", home / "tls.crt", "-subj", "/CN=images",
         "-addext", f"subjectAltName={shown}"],
        check=True, capture_output=True,
    )  # fmt: skip
    (home / "trust").mkdir()
    (home / "trust" / "a name that says nothing").write_bytes((home / "tls.crt").read_bytes())
    (home / "trust" / "README").write_text("not a certificate")
    (home / "trust" / "..data").mkdir()


def wait_for(port: int, process: subprocess.Popen[bytes], host: str = "127.0.0.1") -> None:
    """Until somebody listens there. The process is ours, so it either listens soon or ends."""
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
    raise AssertionError(f"nginx ended with {process.returncode}")
