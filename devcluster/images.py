"""Images of the embedded cluster: containerd takes them from archives, no registry is needed."""

import tarfile
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.layout import CONTAINERD_SOCKET
from devcluster.shell import run


def load(programs: Path, archive: Path) -> list[str]:
    """Import an OCI or docker archive for the kubelet to find; return the names of its images."""
    if not archive.is_file():
        raise DevclusterError(
            f"{archive} is not a file: give the path of an OCI archive (`buildah push IMAGE oci-archive:FILE`)"
        )
    if not tarfile.is_tarfile(archive):
        raise DevclusterError(f"{archive} is not an OCI or docker archive: it is no tar file")
    before = names(programs)
    printed = run([*_images(programs), "import", archive])
    found = [line.split()[0] for line in printed.splitlines() if line.split()[1:2] == ["saved"]]
    return found or sorted(names(programs) - before)


def names(programs: Path) -> set[str]:
    """The names of all images that the kubelet can use."""
    return set(run([*_images(programs), "list", "--quiet"]).split())


def _images(programs: Path) -> list[str]:
    return [str(programs / "ctr"), "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", "images"]
