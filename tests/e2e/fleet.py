"""Imports from every source at once, on every kind of storage: what goes on while things die (test_faults)."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import manifests, ovirt, webserver
from tests.e2e.peers import ON_NODE, Peers
from tests.e2e.source_cases import LOGIN
from tests.e2e.vmware import DISK_BYTES, VMware
from tests.e2e.watch import Watch, phase
from tests.images import MIB
from tests.transfer.ovirt import Ovirt

COUNT = 20
KINDS = (("csi", "Filesystem"), ("csi", "Block"), ("csi-noclone", "Block"), ("local", "Filesystem"))
"""Storage class and volume mode."""
S3_LOGIN = {"secretRef": "s3-keys", "certConfigMap": "authority"}


@dataclass(frozen=True)
class Content:
    """A source, and the disk that must come out of it."""

    source: Object
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Import:
    storage_class: str
    mode: str
    content: Content

    def manifest(self, name: str) -> Object:
        asked = manifests.claim_spec(
            "80Mi", storage_class=self.storage_class, mode=self.mode, access_mode="ReadWriteOnce"
        )
        return manifests.data_volume(name, source=self.content.source, storage=asked)


@dataclass(frozen=True)
class World:
    """Where the disks come from."""

    server: WebServer
    there: Peers
    vcenter: VMware
    ovirt: Ovirt

    def objects(self) -> list[Object]:
        """The secrets and authorities that the sources name."""
        return [*self.there.objects(), self.vcenter.secret(), *ovirt.login(self.ovirt)]

    def contents(self) -> Iterator[Callable[[str], Content]]:
        """Every source, each made for a name; the slow ones more than once, so that there is something to kill."""
        qcow2, raw = (self._image(image, self._slow(image)) for image in ("medium.qcow2", "medium.raw"))
        arm64 = {"platform": {"architecture": "arm64"}}
        yield qcow2
        yield raw
        yield self._image("medium.raw", {"s3": {"url": self.there.s3("medium.raw"), **S3_LOGIN}})
        yield self._image("medium.qcow2", {"registry": {"url": self.there.registry("vms/disk:1"), **LOGIN, **arm64}})
        yield self._vmware
        yield qcow2
        yield self._image("medium.qcow2", {"gcs": {"url": self.there.web.url("medium.qcow2")}})
        yield self._image("small.qcow2", {"registry": {"url": f"docker://{ON_NODE}", "pullMethod": "node"}})
        yield self._ovirt

    def _slow(self, image: str) -> Object:
        return manifests.http(self.server.url(image, webserver.SLOW))

    def _image(self, name: str, source: Object) -> Callable[[str], Content]:
        image = self.there.images[name]
        return lambda _: Content(source, image.virtual_bytes, image.sha256)

    def _vmware(self, _: str) -> Content:
        return Content(self.vcenter.source(initImageURL=self.vcenter.image), DISK_BYTES, self.vcenter.sha256())

    def _ovirt(self, name: str) -> Content:
        """A disk of its own: oVirt gives each away once at a time."""
        disk = self.ovirt.disk(name, os.urandom(3 * MIB), DISK_BYTES)
        digest = hashlib.sha256(disk.read_bytes()).hexdigest()
        return Content(ovirt.source_of(self.ovirt, name, certConfigMap="engine"), DISK_BYTES, digest)


def imports(world: World, prefix: str) -> dict[str, Import]:
    """By name. The kinds of storage go round with the sources, of which there are a number prime to theirs."""
    names = (f"{prefix}-{number:02}" for number in range(COUNT))
    made = zip(names, itertools.cycle(world.contents()), itertools.cycle(KINDS), strict=False)
    return {name: Import(*kind, content(name)) for name, content, kind in made}


@dataclass(frozen=True)
class Fleet:
    """Twenty imports that are under way."""

    kubectl: Kubectl
    volumes: Watch
    plan: Mapping[str, Import]

    def done(self, now: Mapping[str, Object]) -> bool:
        return all(phase(now, name) == "Succeeded" for name in self.plan)

    def importing(self, now: Mapping[str, Object]) -> int:
        return sum(phase(now, name) == "ImportInProgress" for name in self.plan)
