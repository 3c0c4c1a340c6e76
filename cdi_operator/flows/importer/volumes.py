"""What the worker pod has mounted, and where: the volume to fill, and of the source its secrets and certificates.

Secrets and ConfigMaps are optional to the kubelet: where one is missing, the worker says so in the user's words, while
a pod that cannot start says nothing at all. Their names are in the paths, and so in what the worker says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.seen import Claim

DATA = "cdi-data-vol"
DATA_DIR = "/data"
DATA_DEVICE = "/dev/cdi-block-volume"
IMAGE_DIR = "/image"
JOURNAL_DIR = "/journal"
JOURNAL_LIMIT = "16Mi"
"""A journal has at most 4 MiB, and is there twice while it is replaced."""


@dataclass(frozen=True)
class Mount:
    """A volume of the pod, and the directory at which its container finds it."""

    name: str
    path: str
    source: Mapping[str, Any]
    read_only: bool = True

    @property
    def volume(self) -> dict[str, Any]:
        return {"name": self.name, **self.source}

    @property
    def mount(self) -> dict[str, Any]:
        return {"name": self.name, "mountPath": self.path, **({"readOnly": True} if self.read_only else {})}


def data(claim: Claim) -> dict[str, Any]:
    """The volume to fill: files at DATA_DIR, or the device DATA_DEVICE."""
    return {"name": DATA, "persistentVolumeClaim": {"claimName": claim.name}}


def journal(claim: Claim) -> Mount | None:
    """A device has no place for notes: those from which a restarted container goes on are kept in the pod."""
    source = {"emptyDir": {"sizeLimit": JOURNAL_LIMIT}}
    return Mount("cdi-journal-vol", JOURNAL_DIR, source, read_only=False) if claim.block else None


def secret(claim: Claim) -> Mount | None:
    name = claim.annotations.get(names.SECRET_NAME)
    return Mount("cdi-secret-vol", f"/secret/{name}", _secret(name)) if name else None


def certificates(claim: Claim) -> Mount | None:
    name = claim.annotations.get(names.CERT_CONFIG_MAP)
    source = {"configMap": {"name": name, "optional": True}}
    return Mount("cdi-cert-vol", f"/certs/{name}", source) if name else None


def secret_headers(claim: Claim) -> tuple[Mount, ...]:
    return tuple(
        Mount(f"cdi-secret-extra-headers-vol-{number}", f"/extraheaders/{number}/{name}", _secret(name))
        for number, name in numbered(claim, names.SECRET_EXTRA_HEADERS)
    )


def pulled_image(claim: Claim, pull_policy: str, resolved: str = "") -> Mount | None:
    """The container image with the disk, where its node is to pull it (pullMethod node): with the node's credentials
    and those of the pod's imagePullSecrets and service account, through the node's proxy. `resolved`: the image, where
    the claim names something that stands for it.
    """
    if not pulls_on_node(claim):
        return None
    name = resolved or claim.annotations.get(names.ENDPOINT, "").strip().removeprefix("docker://")
    source = {"image": {"reference": name, "pullPolicy": pull_policy}}
    return Mount("cdi-image-vol", IMAGE_DIR, source)


def pulls_on_node(claim: Claim) -> bool:
    note = claim.annotations.get
    return note(names.SOURCE) == "registry" and note(names.REGISTRY_IMPORT_METHOD) == "node"


def path_of(mount: Mount | None) -> str:
    return mount.path if mount else ""


def numbered(claim: Claim, prefix: str) -> list[tuple[int, str]]:
    """Annotations `<prefix>.0`, `<prefix>.1` ... with their numbers, in order."""
    tail = len(prefix) + 1
    found = ((key[tail:], value) for key, value in claim.annotations.items() if key.startswith(f"{prefix}."))
    return sorted((int(number), value) for number, value in found if number.isdecimal())


def _secret(name: str) -> dict[str, Any]:
    return {"secret": {"secretName": name, "optional": True}}
