"""The servers that images come from, besides the plain web server: TLS and passwords, S3, a registry, a forward proxy.

The web server runs in the cluster. S3 server, registry and proxy are those of the transfer tests: processes of this
machine on the node's own address, with names in the cluster's DNS. So they need the embedded cluster.
"""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import server
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from devcluster.layout import NODE_IP
from tests.containers import Blobs, file, squeezed, tar
from tests.e2e import manifests, namespaces, node
from tests.e2e.sources import Image, sha256
from tests.ports import free_ports
from tests.transfer.proxy import Proxy, proxying
from tests.transfer.registries import HTPASSWD, LOGIN, PASSWORD, TLS, registry
from tests.transfer.s3server import ROOT, S3Server, serving_s3
from tests.transfer.webserver import make_certificate

NAMESPACE = f"{namespaces.PREFIX}peers"
DOMAIN = f"{NAMESPACE}.svc"
NAMES = ("private", "s3", "registry", "proxy")
CERTIFICATE_NAMES = tuple(f"{name}.{DOMAIN}" for name in NAMES)
WEB_LOGIN = ("images", "let me in")
SECRET_HEADER = "X-Secret: abracadabra"
"""Besides `X-Open: sesame`, which the example for users has."""
PROXY_LOGIN = "foo:bar"
SECRETS = (WEB_LOGIN[1], "abracadabra", ROOT[1], LOGIN.partition(":")[2])
"""Nothing that anybody may be shown."""
PRIVATE_PORT = 8443
PRIVATE_DOOR = f"""
server {{
    listen {PRIVATE_PORT} ssl;
    ssl_certificate /etc/nginx/tls/tls.crt;
    ssl_certificate_key /etc/nginx/tls/tls.key;
    root /srv;
    location /private/ {{
        alias /srv/;
        auth_basic images;
        auth_basic_user_file /etc/nginx/tls/passwords;
        if ($http_x_open != "sesame") {{ return 403; }}
        if ($http_x_secret != "abracadabra") {{ return 403; }}
    }}
}}
"""
INSTANCE_TYPE = "instancetype.kubevirt.io/default-instancetype"
ENVIRONMENT = ("INSTANCETYPE_KUBEVIRT_IO_DEFAULT_INSTANCETYPE=u1.medium", "TEST_KUBEVIRT_IO_TEST=test", "PATH=/bin")
ON_NODE, TWO_ON_NODE, NOWHERE = (f"localhost/e2e-{name}:v1" for name in ("disk", "two-disks", "nowhere"))


@dataclass(frozen=True)
class Peers:
    web: WebServer
    """Plain; its files are also behind TLS, a password and two headers: `private`."""
    certificate: str
    """PEM: of all of them, and its own authority."""
    proxy: Proxy
    images: Mapping[str, Image]
    """The disks that all of them give, by file name."""

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of each file as it is served."""
        return {name: sha256(image.path) for name, image in self.images.items()}

    def private(self, path: str) -> str:
        return f"https://private.{DOMAIN}/private/{path}"

    def unlocked(self, path: str) -> str:
        """In TLS, without password and headers."""
        return f"https://private.{DOMAIN}/{path}"

    def s3(self, key: str) -> str:
        return f"https://s3.{DOMAIN}/images/{key}"

    def registry(self, reference: str) -> str:
        return f"docker://registry.{DOMAIN}:5000/{reference}"

    @property
    def plain_registry(self) -> str:
        """host:port of the one that speaks no TLS."""
        return f"plain.{DOMAIN}:5000"

    def objects(self) -> list[Object]:
        """What a user brings along for them: secrets, and the authority under an odd name."""
        user, password = WEB_LOGIN
        return [
            secret("web-login", accessKeyId=user, secretKey=password),
            secret("web-header", anything=SECRET_HEADER),
            secret("s3-keys", accessKeyId=ROOT[0], secretKey=ROOT[1]),
            secret("wrong-keys", accessKeyId=ROOT[0], secretKey="wrong"),
            {**docker_login(f"registry.{DOMAIN}:5000"), "metadata": {"name": "registry-login"}},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "authority"},
                "data": {"some.odd_name-1": self.certificate},
            },
        ]


def secret(name: str, **keys: str) -> Object:
    """With the newline at the end of each that nobody means."""
    text = {key: f"{value}\n" for key, value in keys.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": text}


def docker_login(host: str) -> Object:
    """As `kubectl create secret docker-registry` makes it."""
    auth = base64.b64encode(LOGIN.encode()).decode()
    config = f'{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}'
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config},
    }


@contextmanager
def running(kubectl: Kubectl, home: Path, images: Mapping[str, Image]) -> Iterator[Peers]:
    make_certificate(home, "rsa:2048", names=CERTIFICATE_NAMES)
    certificate, key = home / "tls.crt", home / "tls.key"
    with ExitStack() as stack:
        web = stack.enter_context(web_server(kubectl, certificate, key))
        inside = web.kubectl
        for image in images.values():
            web.put(image.name, image.path)
        web.put("files.tar.gz", archive(home, images["small.raw"]))
        s3 = stack.enter_context(s3_server(home, images, certificate, key))
        locked, plain = stack.enter_context(registry_servers(home, images))
        stack.enter_context(images_on_node(home, images))
        address = str(inside.get("service", "private")["spec"]["clusterIP"])
        settings = {"password": PROXY_LOGIN, "certificate": (certificate, key), "host": address, "address": NODE_IP}
        proxy = stack.enter_context(proxying({"http": 80, "https": 443}, **settings))
        inside.apply(
            *manifests.service("s3", NODE_IP, s3.port, 443),
            *manifests.service("registry", NODE_IP, locked, 5000),
            *manifests.service("plain", NODE_IP, plain, 5000),
            *manifests.service("proxy", NODE_IP, proxy.port, 3128),
        )
        yield Peers(web, certificate.read_text(), proxy, images)


@contextmanager
def web_server(kubectl: Kubectl, certificate: Path, key: Path) -> Iterator[WebServer]:
    keys = {
        "tls.crt": certificate.read_text(),
        "tls.key": key.read_text(),
        "passwords": f"{WEB_LOGIN[0]}:{{PLAIN}}{WEB_LOGIN[1]}\n",
    }
    ports = [{"name": "https", "port": 443, "targetPort": PRIVATE_PORT}]
    # The module before this one had it, too.
    namespaces.delete_all(kubectl, f"namespace/{NAMESPACE}")
    with namespaces.namespace(kubectl, NAMESPACE.removeprefix(namespaces.PREFIX)) as inside:
        inside.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "stringData": keys},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "extra"},
                "data": {"private.conf": PRIVATE_DOOR},
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "private"},
                "spec": {"selector": {"app": "images"}, "ports": ports},
            },
        )
        yield server.start(kubectl, NAMESPACE)


def archive(home: Path, image: Image) -> Path:
    """A tar with a disk and a directory in it."""
    path = home / "files.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        made.add(image.path, "disk.img")
        made.add(home / "tls.crt", "etc/certificate")
    return path


@contextmanager
def s3_server(home: Path, images: Mapping[str, Image], *certificate: Path) -> Iterator[S3Server]:
    (home / "s3").mkdir()
    with serving_s3(home / "s3") as office:
        office.put("/images")
        for image in images.values():
            office.put(f"/images/{image.name}", image.path.read_bytes())
    with serving_s3(home / "s3", *certificate, address=NODE_IP) as found:
        yield found


@contextmanager
def registry_servers(home: Path, images: Mapping[str, Image]) -> Iterator[tuple[int, int]]:
    """Two with the same images, by their ports: one with TLS and a password, one with neither."""
    (home / "htpasswd").write_text(HTPASSWD)
    layers = {
        name: tar(file("disk/disk.img", images[f"{name}.qcow2"].path.read_bytes())) for name in ("small", "medium")
    }
    blobs = Blobs()
    by_architecture = {
        "amd64": blobs.image(squeezed(layers["small"], "gz"), environment=ENVIRONMENT),
        "arm64": blobs.image(layers["medium"], architecture="arm64"),
    }
    locked, plain = free_ports(2)
    with (
        registry(home, locked, TLS.format(home=home), PASSWORD.format(home=home), NODE_IP),
        registry(home, plain, "", "", NODE_IP),
    ):
        blobs.push(f"http://{NODE_IP}:{plain}", "vms/disk", "1", blobs.index(by_architecture))
        yield locked, plain


@contextmanager
def images_on_node(home: Path, images: Mapping[str, Image]) -> Iterator[None]:
    """Container images that the node has already, as if it had pulled them."""
    disk = file("disk/disk.img", images["small.qcow2"].path.read_bytes(), uid=107, gid=107, mode=0o440)
    contents = {ON_NODE: tar(disk), TWO_ON_NODE: tar(disk, file("disk/another", b"disk"))}
    for number, (name, layer) in enumerate(contents.items()):
        blobs = Blobs()
        named = {**blobs.image(layer), "annotations": {"io.containerd.image.name": name}}
        node.load_image(blobs.archive(home / f"image-{number}.tar", named))
    try:
        yield
    finally:
        node.remove_images(*contents)
