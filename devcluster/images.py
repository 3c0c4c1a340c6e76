"""Images of the embedded cluster: containerd takes them from archives, no registry is needed."""

import json
import tarfile
from pathlib import Path
from typing import Any

from devcluster.errors import DevclusterError
from devcluster.layout import CONTAINERD_SOCKET
from devcluster.shell import run

CONTAINERD_NAME = "io.containerd.image.name"
OCI_NAME = "org.opencontainers.image.ref.name"


def load(programs: Path, archive: Path) -> list[str]:
    """Import an OCI or docker archive for the kubelet to find; return the names of its images."""
    found = names_in(archive)
    if not found:
        raise DevclusterError(f"{archive} names no image: write it with `buildah push IMAGE oci-archive:FILE:NAME:TAG`")
    run([*_images(programs), "import", archive])
    return found


def names(programs: Path) -> set[str]:
    """The names of all images that the kubelet can use."""
    return set(run([*_images(programs), "list", "--quiet"]).split())


def names_in(archive: Path) -> list[str]:
    """The names under which containerd stores the images of an archive; a tag alone is no name."""
    if not archive.is_file():
        raise DevclusterError(f"{archive} is not a file: give the path of an OCI or docker archive")
    if not tarfile.is_tarfile(archive):
        raise DevclusterError(f"{archive} is not an OCI or docker archive: it is no tar file")
    try:
        with tarfile.open(archive) as tar:
            if index := _read(tar, "index.json"):
                annotations = [manifest.get("annotations", {}) for manifest in index["manifests"]]
                candidates = [each.get(CONTAINERD_NAME) or each.get(OCI_NAME) or "" for each in annotations]
            elif manifests := _read(tar, "manifest.json"):
                candidates = [tag for manifest in manifests for tag in manifest.get("RepoTags") or ()]
            else:
                raise DevclusterError(
                    f"{archive} is not an OCI or docker archive: it has no index.json or manifest.json"
                )
    except (tarfile.TarError, ValueError) as error:
        raise DevclusterError(f"{archive} is not an OCI or docker archive: {error}") from error
    return [name for name in candidates if not set(name).isdisjoint("/:@")]


def _read(tar: tarfile.TarFile, name: str) -> Any:
    try:
        file = tar.extractfile(name)
    except KeyError:
        return None
    return json.load(file) if file else None


def _images(programs: Path) -> list[str]:
    return [str(programs / "ctr"), "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", "images"]
