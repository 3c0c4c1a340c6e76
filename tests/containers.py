"""Container images with disks in them, put together piece by piece: layers, configurations, manifests, indexes.

They are pushed to a real registry by plain HTTP, or written as an archive, so that every field can be what it never is
where tools write it.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
MANIFEST = f"{OCI}.manifest.v1+json"
INDEX = f"{OCI}.index.v1+json"
DOCKER_MANIFEST = f"{DOCKER}.distribution.manifest.v2+json"
DOCKER_LIST = f"{DOCKER}.distribution.manifest.list.v2+json"
CODECS = {"": (), "gz": ("gzip", "-1"), "zst": ("zstd", "-q"), "xz": ("xz", "-0")}

Descriptor = dict[str, Any]
Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"", **fields: Any) -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in fields.items():
        setattr(member, key, value)
    return member, content


def directory(name: str) -> Member:
    return file(name, type=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> Member:
    return file(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Member:
    return file(name, type=tarfile.LNKTYPE, linkname=target)


def device(name: str) -> Member:
    return file(name, type=tarfile.BLKTYPE)


def tar(*members: Member, format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def squeezed(content: bytes, codec: str) -> bytes:
    command = CODECS[codec]
    return (
        subprocess.run([*command, "-c"], input=content, capture_output=True, check=True).stdout if command else content
    )


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Blobs:
    """What makes up an image, by digest."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def put(self, content: bytes, media_type: str, **more: Any) -> Descriptor:
        digest = digest_of(content)
        self.contents[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content), **more}

    def put_json(self, document: Any, media_type: str) -> Descriptor:
        return self.put(json.dumps(document).encode(), media_type)

    def image(
        self,
        *layers: bytes,
        architecture: str = "amd64",
        environment: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        docker: bool = False,
    ) -> Descriptor:
        settings = {"Env": list(environment), "Labels": labels}
        # Right for layers that are not compressed: others cannot be unpacked by a container runtime.
        rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
        config = {"architecture": architecture, "os": "linux", "config": settings, "rootfs": rootfs}
        kind = f"{DOCKER}.container.image.v1+json" if docker else f"{OCI}.config.v1+json"
        layer_kind = f"{DOCKER}.image.rootfs.diff.tar.gzip" if docker else f"{OCI}.layer.v1.tar"
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
            "config": self.put_json(config, kind),
            "layers": [self.put(layer, layer_kind) for layer in layers],
        }
        return self.put_json(manifest, str(manifest["mediaType"]))

    def index(self, images: Mapping[str, Descriptor], docker: bool = False) -> Descriptor:
        """By architecture."""
        kind = DOCKER_LIST if docker else INDEX
        entries = [
            {**image, "platform": {"architecture": architecture, "os": "linux"}}
            for architecture, image in images.items()
        ]
        return self.put_json({"schemaVersion": 2, "mediaType": kind, "manifests": entries}, kind)

    def push(self, registry: str, repository: str, tag: str, image: Descriptor) -> str:
        """To http://host:port; returns repository:tag."""
        base = f"{registry}/v2/{repository}"
        manifests = []
        for digest, content in self.contents.items():
            if b'"schemaVersion"' in content[:200]:
                manifests.append((digest, content))
            else:
                with urlopen(Request(f"{base}/blobs/uploads/", method="POST")) as answer:
                    place = answer.headers["Location"]
                send(f"{place}{'&' if '?' in place else '?'}digest={digest}", content, "application/octet-stream")
        for digest, content in manifests:
            send(f"{base}/manifests/{digest}", content, json.loads(content)["mediaType"])
        send(f"{base}/manifests/{tag}", self.contents[image["digest"]], image["mediaType"])
        return f"{repository}:{tag}"

    def archive(self, path: Path, *images: Descriptor, entrance: Any = None) -> Path:
        """As an oci-archive."""
        content = json.dumps(entrance or {"schemaVersion": 2, "manifests": list(images)}).encode()
        members = [file("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')]
        members += [file(f"blobs/{name.replace(':', '/')}", blob) for name, blob in self.contents.items()]
        path.write_bytes(tar(*members, file("index.json", content)))
        return path


def send(url: str, content: bytes, media_type: str) -> None:
    with urlopen(Request(url, content, {"Content-Type": media_type}, method="PUT")) as answer:
        assert answer.status == 201, answer.status
