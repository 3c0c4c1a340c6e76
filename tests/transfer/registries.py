"""Real registries on loopback, all with the same images: open to everybody, with a password, with tokens, and one whose
blobs are elsewhere, as in the cloud. The token server is ours; its tokens are real, and the registry verifies them.
"""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ports import free_ports
from tests.transfer.webserver import make_certificate, wait_for

LOGIN = "puller:let me in"
HTPASSWD = "puller:$2b$04$abcdefghijklmnopqrstuuTnc8amReAFiMHxaSoW9U22KarbWnkSm\n"
"""Of that password; the registry takes bcrypt only."""
SERVICE, ISSUER = "registry.test", "tokens.test"

REGISTRY = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {home}/storage}}}}
http:
  addr: {address}:{port}
  secret: no secret
  {tls}
{auth}
"""
TLS = "tls: {{certificate: {home}/tls.crt, key: {home}/tls.key}}"
PASSWORD = "auth: {{htpasswd: {{realm: images, path: {home}/htpasswd}}}}"
TOKENS = (
    "auth: {{token: {{realm: 'http://127.0.0.1:{tokens}/token', service: {service}, issuer: {issuer}, "
    "rootcertbundle: {home}/tls.crt}}}}"
)
NGINX = """
daemon off; user root; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
events {{}}
http {{
  log_format seen '$request_uri "$http_range" authorization=$http_authorization';
  server {{
    listen 127.0.0.1:{port}; access_log off;
    location /v2/ {{ proxy_pass http://127.0.0.1:{origin}; proxy_set_header Host $http_host; }}
    location ~ ^/v2/.+/blobs/sha256:((..).+)$ {{
      return 307 http://127.0.0.1:{storage}/docker/registry/v2/blobs/sha256/$2/$1/data?signature=x;
    }}
  }}
  server {{
    listen 127.0.0.1:{rangeless}; access_log off;
    location / {{ proxy_pass http://127.0.0.1:{open}; proxy_set_header Range ""; proxy_hide_header Accept-Ranges; }}
  }}
  server {{
    listen 127.0.0.1:{storage}; access_log {home}/access.log seen;
    location / {{ root {home}/storage; if ($http_authorization) {{ return 400; }} }}
  }}
}}
"""


@dataclass
class Tokens:
    """A server that gives a token to whoever knows the password, or to everybody."""

    home: Path
    port: int = 0
    anonymous: bool = False
    asked: list[str] = field(default_factory=list)
    answer: bytes | None = None
    """Instead of a token."""

    def token(self, scope: str) -> str:
        kind, name, actions = scope.split(":")
        der = openssl("x509", "-in", self.home / "tls.crt", "-outform", "DER")
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "puller",
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 9,
            "exp": now + 300,
            "jti": str(len(self.asked)),
        }
        claims["access"] = [{"type": kind, "name": name, "actions": [actions]}]
        head = {"typ": "JWT", "alg": "RS256", "x5c": [b64encode(der).decode()]}
        text = ".".join(web64(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{web64(openssl('dgst', '-sha256', '-sign', self.home / 'tls.key', content=text.encode()))}"


@dataclass(frozen=True)
class Registries:
    home: Path
    open: str
    """127.0.0.1:port, as the others."""
    password: str
    """In TLS."""
    token: str
    cloud: str
    """With tokens, and its blobs are on another server."""
    rangeless: str
    """Open, and gives every blob only as a whole."""
    tokens: Tokens

    @property
    def certificates(self) -> str:
        return str(self.home / "trust")

    def storage_requests(self) -> list[str]:
        return (self.home / "access.log").read_text().splitlines()

    def blob(self, digest: str) -> Path:
        """Where the registry keeps it."""
        name = digest.partition(":")[2]
        return self.home / "storage/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


@contextmanager
def registries(home: Path) -> Iterator[Registries]:
    make_certificate(home, "rsa:2048")
    (home / "htpasswd").write_text(HTPASSWD)
    with ExitStack() as stack:
        tokens = stack.enter_context(token_server(home))
        words = {"home": home, "tokens": tokens.port, "service": SERVICE, "issuer": ISSUER}
        open_port, password_port, token_port = free_ports(3)
        stack.enter_context(registry(home, open_port, "", ""))
        stack.enter_context(registry(home, password_port, TLS.format(**words), PASSWORD.format(**words)))
        stack.enter_context(registry(home, token_port, "", TOKENS.format(**words)))
        cloud_port, rangeless_port, storage_port = free_ports(3)
        ports = {"port": cloud_port, "origin": token_port, "storage": storage_port}
        text = NGINX.format(home=home, **ports, rangeless=rangeless_port, open=open_port)
        (home / "nginx.conf").write_text(text)
        stack.enter_context(running(cloud_port, "nginx", "-c", home / "nginx.conf", "-e", home / "error.log"))
        at = "127.0.0.1:{}".format
        yield Registries(
            home, at(open_port), at(password_port), at(token_port), at(cloud_port), at(rangeless_port), tokens
        )


@contextmanager
def registry(home: Path, port: int, tls: str, auth: str, address: str = "127.0.0.1") -> Iterator[None]:
    path = home / f"registry-{port}.yml"
    path.write_text(REGISTRY.format(home=home, address=address, port=port, tls=tls, auth=auth))
    with running(port, "docker-registry", "serve", path, address=address):
        yield


@contextmanager
def running(port: int, *command: str | Path, address: str = "127.0.0.1") -> Iterator[None]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process, address)
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def token_server(home: Path) -> Iterator[Tokens]:
    tokens = Tokens(home)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            authorization = self.headers.get("Authorization", "")
            tokens.asked.append(f"{self.path} {authorization}")
            allowed = (
                authorization == f"Basic {b64encode(LOGIN.encode()).decode()}" if authorization else tokens.anonymous
            )
            assert query["service"] == [SERVICE]
            body = b"{}"
            if allowed:
                body = tokens.answer or json.dumps({"token": tokens.token(query["scope"][0])}).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `asked`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        tokens.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield tokens
        finally:
            server.shutdown()
            thread.join()


def openssl(*arguments: str | Path, content: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=content, capture_output=True, check=True).stdout


def web64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
