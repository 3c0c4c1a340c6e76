"""Manifests, indexes and configurations: what the documents of a container image say. Pure.

They come from whoever can push to the registry, so every field is looked at before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer_image.errors import Permanent
from importer_image.source.registry.digest import DIGEST
from importer_image.source.registry.labels import labels_in

LIMIT_BYTES = 4 << 20
"""More is no manifest and no configuration; registries and other tools draw the line here, too."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
ACCEPTED = (OCI_MANIFEST, DOCKER_MANIFEST, *INDEXES)

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""What architectures are called in images; the rest (s390x, ppc64le, riscv64) have one name."""


@dataclass(frozen=True)
class Descriptor:
    """Names one thing by what it is."""

    media_type: str
    digest: str
    size_bytes: int
    architecture: str = ""
    os: str = ""
    variant: str = ""
    name: str = ""
    """What an archive calls an image, where it holds several."""

    @property
    def anywhere(self) -> bool:
        """It does not say for which platform it is."""
        return not (self.architecture or self.os)


@dataclass(frozen=True)
class Index:
    """Images for several platforms."""

    entries: tuple[Descriptor, ...]
    kind: str = "image index"

    def choose(self, architecture: str) -> Descriptor:
        """Raises Permanent with the words of the reference, which clients look for (literal texts 1.3)."""
        fitting = [entry for entry in self.entries if entry.os == "linux" and entry.architecture == architecture]
        # Without a variant fits everywhere; among the rest whoever built the image has put the usual one first.
        fitting.sort(key=lambda entry: bool(entry.variant))
        fitting += [entry for entry in self.entries if entry.anywhere]
        if not fitting:
            there = sorted({entry.architecture for entry in self.entries if entry.os == "linux"})
            raise Permanent(
                "Error retrieving image: choosing image instance: no image found in "
                f'{self.kind} for architecture "{architecture}", variant "", OS "linux"',
                f"It is there for {', '.join(there) or 'no Linux at all'}: see platform.architecture.",
            )
        return fitting[0]


@dataclass(frozen=True)
class Manifest:
    """One image: how it is configured, and its layers from the lowest."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Configuration:
    architecture: str
    labels: Mapping[str, str]
    """For the claim, from the environment of the image."""
    bootc: bool
    """It is an operating system in the form of a container."""


def document(content: bytes) -> Index | Manifest:
    """Raises Permanent for everything else."""
    found = _object(content, "the manifest")
    if found.get("schemaVersion") == 1:
        raise _wrong(
            "the manifest is of the Docker format version 1", "Push the image again with a tool of this decade."
        )
    if "manifests" in found and "layers" in found:
        raise _wrong("the manifest is an index as well")
    kind = found.get("mediaType")
    if kind is not None and kind not in ACCEPTED:
        raise _wrong(f"unsupported media type {kind!r}")
    if "manifests" in found:
        entries = tuple(_descriptor(each) for each in _list(found["manifests"]))
        return Index(entries, "manifest list" if kind == DOCKER_LIST else "image index")
    if "layers" in found:
        return Manifest(_descriptor(found.get("config")), tuple(_descriptor(each) for each in _list(found["layers"])))
    raise _wrong("the manifest names no layers")


def configuration(content: bytes) -> Configuration:
    """Raises Permanent for what is none. Images that are no containers have an empty one."""
    found = _object(content, "the configuration of the image")
    inner = found.get("config")
    settings = inner if isinstance(inner, dict) else {}
    variables = settings.get("Env")
    labels = settings.get("Labels")
    marks = labels if isinstance(labels, dict) else {}
    return Configuration(
        architecture=_text(found.get("architecture")),
        labels=labels_in(each for each in variables if isinstance(each, str)) if isinstance(variables, list) else {},
        bootc=marks.get("containers.bootc") == "1" or marks.get("ostree.bootable") in ("1", "true"),
    )


def check_architecture(configuration: Configuration, wanted: str) -> None:
    """An image for one platform has to be the one that was asked for. Raises Permanent."""
    if wanted and configuration.architecture != wanted:
        raise Permanent(
            f'manifest image architecture: "{configuration.architecture}" '
            f'doesn\'t match requested architecture: "{wanted}"',
            "See platform.architecture.",
        )


def refuse_bootc(configuration: Configuration) -> None:
    if configuration.bootc:
        raise Permanent(
            "bootc image detected: it holds an operating system for containers, not the disk of a virtual machine",
            "Make a disk of it first, for example with bootc-image-builder.",
        )


def _descriptor(found: Any) -> Descriptor:
    if not isinstance(found, dict):
        raise _wrong("the manifest names a layer or image without saying which")
    digest, size = found.get("digest"), found.get("size")
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise _wrong(f"unsupported digest {digest!r}")
    if not isinstance(size, int) or size < 0:
        raise _wrong(f"{digest} cannot have {size!r} bytes")
    platform = found.get("platform")
    platform = platform if isinstance(platform, dict) else {}
    annotations = found.get("annotations")
    annotations = annotations if isinstance(annotations, dict) else {}
    return Descriptor(
        _text(found.get("mediaType")),
        digest,
        size,
        _text(platform.get("architecture")),
        _text(platform.get("os")),
        _text(platform.get("variant")),
        _text(annotations.get("org.opencontainers.image.ref.name")),
    )


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{what} is not JSON") from error
    if not isinstance(found, dict):
        raise _wrong(f"{what} is not an object")
    return found


def _list(found: Any) -> Sequence[Any]:
    if not isinstance(found, list):
        raise _wrong("the manifest has no list where one belongs")
    return found


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def _wrong(why: str, hint: str = "This is not a container image with a disk.") -> Permanent:
    return Permanent(f"Error retrieving image: {why}", hint)
