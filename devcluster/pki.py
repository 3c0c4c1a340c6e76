"""The cluster's certificates: three authorities, so that a client of one API is never a client of another.

`ca` signs what talks to the API server and the kubelet, `etcd-ca` what may read etcd, `front-proxy-ca` the one client
that aggregated API servers believe when it names a user (requestheader flags of kube-apiserver).
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from devcluster.layout import API_URL, CLUSTER_DOMAIN, KUBERNETES_SERVICE_IP, NODE, NODE_IP
from devcluster.shell import run

AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")
DAYS = "3650"


@dataclass(frozen=True)
class Certificate:
    """A leaf certificate: file name, signing authority, subject (openssl's `/O=group/CN=user`), alternative names."""

    name: str
    authority: str
    subject: str
    names: str = ""


KUBERNETES_NAMES = ",".join(
    [
        *(f"DNS:{name}" for name in ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")),
        f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN}",
        *(f"IP:{address}" for address in (KUBERNETES_SERVICE_IP, NODE_IP, "127.0.0.1")),
    ]
)

CERTIFICATES = (
    Certificate("apiserver", "ca", "/CN=kube-apiserver", KUBERNETES_NAMES),
    Certificate("apiserver-kubelet-client", "ca", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    Certificate("apiserver-etcd-client", "etcd-ca", "/CN=kube-apiserver"),
    Certificate("etcd", "etcd-ca", "/CN=etcd", "DNS:localhost,IP:127.0.0.1"),
    Certificate("front-proxy-client", "front-proxy-ca", "/CN=front-proxy-client"),
    Certificate("kubelet", "ca", f"/O=system:nodes/CN=system:node:{NODE}", f"DNS:{NODE},IP:{NODE_IP},IP:127.0.0.1"),
    Certificate("controller-manager", "ca", "/CN=system:kube-controller-manager"),
    Certificate("scheduler", "ca", "/CN=system:kube-scheduler"),
    Certificate("proxy", "ca", "/CN=system:kube-proxy"),
    Certificate("admin", "ca", "/O=system:masters/CN=admin"),
)


def ensure(directory: Path) -> None:
    """Make every key and certificate that `directory` lacks; the directory is readable by root only."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    config = directory / "openssl.cnf"
    config.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
    for name in AUTHORITIES:
        _issue(
            directory, name, f"/CN=cdi-devcluster-{name}", ["basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"]
        )
    for leaf in CERTIFICATES:
        extensions = ["keyUsage=digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"]
        if leaf.names:
            extensions.append(f"subjectAltName={leaf.names}")
        _issue(directory, leaf.name, leaf.subject, extensions, authority=leaf.authority)
    if not (directory / "sa.pub").exists():
        key = directory / "sa.key"
        run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
        _publish(directory / "sa.pub", ["openssl", "pkey", "-in", key, "-pubout"])


def kubeconfig(directory: Path, user: str) -> str:
    """A kubeconfig (JSON, which is YAML) that carries the certificates of `user` itself."""

    def embedded(name: str) -> str:
        return b64encode((directory / name).read_bytes()).decode()

    cluster = {"server": API_URL, "certificate-authority-data": embedded("ca.crt")}
    credentials = {"client-certificate-data": embedded(f"{user}.crt"), "client-key-data": embedded(f"{user}.key")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "cdi-devcluster",
            "clusters": [{"name": "cdi-devcluster", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "cdi-devcluster", "context": {"cluster": "cdi-devcluster", "user": user}}],
        },
        indent=2,
    )


def _issue(directory: Path, name: str, subject: str, extensions: list[str], authority: str | None = None) -> None:
    if (directory / f"{name}.crt").exists():
        return
    signer: list[str | Path] = (
        ["-CA", directory / f"{authority}.crt", "-CAkey", directory / f"{authority}.key"] if authority else []
    )
    _publish(
        directory / f"{name}.crt",
        [
            *("openssl", "req", "-x509", "-config", directory / "openssl.cnf", "-days", DAYS, "-subj", subject),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", directory / f"{name}.key"),
            *(argument for extension in extensions for argument in ("-addext", extension)),
            *signer,
        ],
    )


def _publish(path: Path, argv: list[str | Path]) -> None:
    """Write what `argv` prints to `path` in one step: a kill in the middle must not leave half a certificate."""
    partial = path.with_suffix(".partial")
    partial.write_text(run(argv))
    partial.rename(path)
