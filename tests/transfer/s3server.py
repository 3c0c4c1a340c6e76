"""A real S3 server on loopback: versitygw over a directory, built from its pinned Go module (devcluster/build)."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from awscrt import auth
from awscrt.http import HttpHeaders, HttpRequest

from devcluster import binaries
from tests.ports import free_port
from tests.transfer.webserver import wait_for

ROOT = ("images-root", "a secret/with+signs")
STRANGER = ("stranger", "let me in")
"""A user who may do nothing."""
REGION = "eu-test-1"
DOMAIN = "s3.images.example"
PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}


@dataclass(frozen=True)
class S3Server:
    port: int
    scheme: str = "http"
    address: str = "127.0.0.1"

    def url(self, key: str, bucket: str = "images") -> str:
        return f"{self.scheme}://{self.address}:{self.port}/{bucket}/{key}"

    def put(self, path: str, body: bytes = b"", subresource: str = "") -> None:
        """What an administrator does: make a bucket, put an object (`path` is not escaped), set a policy."""
        target = quote(path) + (f"?{subresource}=" if subresource else "")
        host = f"127.0.0.1:{self.port}"
        digest = hashlib.sha256(body).hexdigest()
        request = HttpRequest("PUT", target, HttpHeaders([("Host", host)]))
        config = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4,
            signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=auth.AwsCredentialsProvider.new_static(*ROOT),
            region=REGION,
            service="s3",
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=digest,
            signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        auth.aws_sign_request(request, config).result()
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("PUT", target, body, dict(request.headers))
        response = connection.getresponse()
        said = response.read()
        connection.close()
        assert response.status // 100 == 2, said

    def add_stranger(self) -> None:
        admin = ["admin", "--endpoint-url", f"http://127.0.0.1:{self.port}", "--region", REGION]
        user = ["create-user", "--access", STRANGER[0], "--secret", STRANGER[1], "--role", "user"]
        argv = [str(binaries.peer("versitygw")), *admin, "--access", ROOT[0], "--secret", ROOT[1], *user]
        subprocess.run(argv, check=True, capture_output=True)

    def open_to_all(self, bucket: str) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": [PUBLIC]}).replace("{bucket}", bucket)
        self.put(f"/{bucket}", text.encode(), "policy")


@contextmanager
def serving_s3(home: Path, *certificate: Path, address: str = "127.0.0.1") -> Iterator[S3Server]:
    """Over `home`, which several servers may share; in TLS with a certificate and its key."""
    server = S3Server(free_port(), "https" if certificate else "http", address)
    flags = [
        *(
            "--port",
            f"{address}:{server.port}",
            "--access",
            ROOT[0],
            "--secret",
            ROOT[1],
            "--region",
            REGION,
            "--quiet",
        ),
        *("--virtual-domain", DOMAIN, "--iam-dir", str(home / "iam")),
    ]
    if certificate:
        flags += ["--cert", str(certificate[0]), "--key", str(certificate[1])]
    argv = [str(binaries.peer("versitygw")), *flags, "posix", "--sidecar", str(home / "sidecar"), str(home / "buckets")]
    for name in ("iam", "sidecar", "buckets"):
        (home / name).mkdir(exist_ok=True)
    with (home / "log").open("ab") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            wait_for(server.port, process, address)
            yield server
        finally:
            process.terminate()
