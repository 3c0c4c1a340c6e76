"""Disks of an oVirt that runs beside the cluster, as DataVolumes ask for them."""

from __future__ import annotations

from devcluster.kubectl import Object
from tests.e2e import manifests
from tests.transfer.engine import PASSWORD, USER
from tests.transfer.ovirt import Ovirt


def source_of(ovirt: Ovirt, disk: str, **trust: object) -> Object:
    return {"imageio": {"url": ovirt.engine.url, "diskId": disk, "secretRef": "engine", **trust}}


def login(ovirt: Ovirt) -> list[Object]:
    """The secret and the ConfigMap `engine` that go with it."""
    keys = {"accessKeyId": USER, "secretKey": PASSWORD}
    authority = (ovirt.engine.daemon.home / "tls.crt").read_text()
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "engine"}, "stringData": keys},
        manifests.config_map("engine", **{"ca.pem": authority}),
    ]
