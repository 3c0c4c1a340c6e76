"""A vCenter beside the cluster, and an image with the library that reads its disks: as a user has them, but small.

Only VMware's library stands in (tests/transfer/vmware). Its image is made the way users make theirs: the library, and a
command that copies it to /opt.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import choose
from devcluster.kubectl import Object
from devcluster.layout import NODE_IP
from devcluster.pause import architecture
from importer_image.job import LIBRARY_DIR
from tests import containers
from tests.containers import Blobs, Member
from tests.images import KIB, MIB
from tests.transfer.vmware import built
from tests.transfer.vmware.vcenter import PASSWORD, THUMBPRINT, USER, VCenter, vcenter

DISK_BYTES = 12 * MIB
CHANGED = ((0, 64 * KIB), (5 * MIB, MIB))
"""Overwritten between the two snapshots."""


@dataclass(frozen=True)
class VMware:
    vcenter: VCenter
    image: str
    """Has the library."""
    disks: Path
    """With `<snapshot>.raw` for each snapshot, and current.raw."""

    def source(self, **more: str) -> Object:
        machine = self.vcenter
        given = {"url": machine.url, "uuid": machine.bios_uuid, "backingFile": machine.file, "thumbprint": THUMBPRINT}
        return {"vddk": {**given, "secretRef": "vcenter", **more}}

    def secret(self) -> Object:
        login = {"accessKeyId": USER, "secretKey": PASSWORD}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vcenter"}, "stringData": login}

    def sha256(self, name: str = "current") -> str:
        return hashlib.sha256((self.disks / f"{name}.raw").read_bytes()).hexdigest()


@contextmanager
def vmware(home: Path) -> Iterator[VMware]:
    """With an image on the nodes. It runs on this machine, so the cluster has to be here, too."""
    with vcenter(DISK_BYTES, CHANGED, host=NODE_IP) as server:
        disks = home / "disks"
        make_disks(disks, *server.snapshots)
        archive, image = library_image(home, disks, server.login)
        choose.cluster().load(archive)
        yield VMware(server, image, disks)


def make_disks(directory: Path, first: str, second: str) -> None:
    """The disk at two snapshots and as it is now."""
    directory.mkdir()
    content = bytearray(os.urandom(8 * MIB) + bytes(DISK_BYTES - 8 * MIB))
    (directory / f"{first}.raw").write_bytes(content)
    for start, length in CHANGED:
        content[start : start + length] = os.urandom(length)
    (directory / f"{second}.raw").write_bytes(content)
    content[7 * MIB : 9 * MIB] = os.urandom(2 * MIB)
    (directory / "current.raw").write_bytes(content)


def library_image(home: Path, disks: Path, login: str) -> tuple[Path, str]:
    """An OCI archive and the name of the image in it, which says what is in it: another login, another image."""
    library = built.library(home / "library") / "lib64" / "libvixDiskLib.so.8"
    place = LIBRARY_DIR.rpartition("/")[2]
    files = {
        "copy": (built.copier(home / "copy").read_bytes(), 0o755),
        f"{place}/lib64/{library.name}": (library.read_bytes(), 0o755),
        f"{place}/STANDIN_LOGIN": (login.encode(), 0o644),
        f"{place}/STANDIN_DISKS": (f"{LIBRARY_DIR}/disks".encode(), 0o644),
        **{f"{place}/disks/{disk.name}": (disk.read_bytes(), 0o644) for disk in disks.iterdir()},
    }
    layer = containers.tar(*with_directories(files))
    image = f"localhost/vddk-stand-in:{hashlib.sha256(layer).hexdigest()[:16]}"
    return archive_of(layer, image, home / "image.tar"), image


def with_directories(files: dict[str, tuple[bytes, int]]) -> Iterator[Member]:
    above = {str(parent) for name in files for parent in Path(name).parents if parent.name}
    for name in sorted(above):
        yield containers.file(name, type=tarfile.DIRTYPE, mode=0o755)
    for name, (content, mode) in files.items():
        yield containers.file(name, content, mode=mode)


def archive_of(layer: bytes, image: str, path: Path) -> Path:
    blobs = Blobs()
    config = {
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": ["/copy"]},
        "rootfs": {"type": "layers", "diff_ids": [containers.digest_of(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": containers.MANIFEST,
        "config": blobs.put_json(config, f"{containers.OCI}.config.v1+json"),
        "layers": [blobs.put(layer, f"{containers.OCI}.layer.v1.tar")],
    }
    names = {"io.containerd.image.name": image, "org.opencontainers.image.ref.name": image}
    return blobs.archive(path, {**blobs.put_json(manifest, containers.MANIFEST), "annotations": names})
