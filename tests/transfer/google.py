"""What stands in for Google: nginx with plain paths, as the reference's tests have it, and a server of tokens.

The server of tokens verifies assertions for real, with openssl, and nginx asks it whether a token still holds: it ends
after so many requests, not after an hour.
"""

from __future__ import annotations

import json
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs

from tests.ports import free_port
from tests.transfer.logged import logged
from tests.transfer.webserver import wait_for

EMAIL = "images@project.iam.example"
CONFIGURATION = """
daemon off; user root; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log; events {{}}
http {{
  log_format shown '$uri $http_authorization'; access_log {home}/access.log shown;
  client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  server {{
    listen 127.0.0.1:{port};
    location /public/ {{ alias {files}/; }}
    location /private/ {{ alias {files}/; auth_request /check; }}
    location = /check {{ internal; proxy_pass http://127.0.0.1:{tokens}/check; proxy_pass_request_body off; }}
    location /xml/ {{ add_header Content-Type application/xml;
      return 403 "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"; }}
  }}
}}
"""


@dataclass
class Google:
    files: Path
    home: Path
    port: int = field(default_factory=free_port)
    tokens: int = 0
    """Port of the server of tokens."""
    lasts: int = 1000
    """Requests that a token is good for."""
    expires_in: float = 3600
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Given to the next assertions instead of a token."""
    granted: list[str] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    """Of the assertions, all of which had a good signature."""
    used: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def url(self, bucket: str, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{bucket}/{name}"

    def credentials(self, directory: Path, key: str = "account.pem") -> str:
        """A secret, as Google's console gives it."""
        directory.mkdir()
        account = {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key_id": "key-1",
            "private_key": (self.home / key).read_text(),
            "token_uri": f"http://127.0.0.1:{self.tokens}/token",
        }
        (directory / "credentials.json").write_text(json.dumps(account))
        return str(directory)

    def shown(self, path: str) -> list[str]:
        """The Authorization of every request for that path, of which there was one at least."""

        def asked() -> list[str]:
            lines = [line.rpartition(path) for line in (self.home / "access.log").read_text().splitlines()]
            return [after.strip() for before, here, after in lines if here and not before]

        return logged(asked)

    def grant(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if self.answers:
                return self.answers.pop(0)
            head, claims, signature = form["assertion"][0].split(".")
            if not self.verified(f"{head}.{claims}", decoded(signature)):
                return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
            self.claims.append(json.loads(decoded(claims)))
            self.granted.append(f"token-{len(self.granted) + 1}")
            return 200, {"access_token": self.granted[-1], "token_type": "Bearer", "expires_in": self.expires_in}

    def verified(self, text: str, signature: bytes) -> bool:
        (self.home / "signature").write_bytes(signature)
        argv = f"openssl dgst -sha256 -verify {self.home}/public.pem -signature {self.home}/signature".split()
        return subprocess.run(argv, input=text.encode(), capture_output=True).returncode == 0

    def holds(self, authorization: str) -> bool:
        """Only the last token that was granted, and only so often."""
        with self.lock:
            token = authorization.removeprefix("Bearer ")
            self.used[token] = self.used.get(token, 0) + 1
            return token in self.granted and self.used[token] <= self.lasts


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def serving_google(home: Path) -> Iterator[Google]:
    google = Google(home / "files", home)
    google.files.mkdir()
    for line in (
        f"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {home}/account.pem",
        f"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out {home}/stolen.pem",
        f"pkey -in {home}/account.pem -pubout -out {home}/public.pem",
    ):
        subprocess.run(["openssl", *line.split()], check=True, capture_output=True)
    with serving_tokens(google):
        text = CONFIGURATION.format(home=home, files=google.files, port=google.port, tokens=google.tokens)
        (home / "nginx.conf").write_text(text)
        process = subprocess.Popen(["nginx", "-c", home / "nginx.conf", "-e", home / "error.log"])
        try:
            wait_for(google.port, process)
            yield google
        finally:
            process.terminate()
            process.wait()


@contextmanager
def serving_tokens(google: Google) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, said = google.grant(parse_qs(body))
            self.answer(status, json.dumps(said).encode())

        def do_GET(self) -> None:
            self.answer(200 if google.holds(self.headers.get("Authorization", "")) else 401, b"")

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `claims` and `used`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        google.tokens = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
