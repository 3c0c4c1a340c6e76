"""A container image as a source: find the manifest for the architecture, ask the configuration, find the disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from importer_image import job
from importer_image.errors import Permanent
from importer_image.source import About, OnBytes, Source
from importer_image.source.registry import archive
from importer_image.source.registry.digest import Verified
from importer_image.source.registry.layer import disk_in
from importer_image.source.registry.manifest import (
    MACHINES,
    Descriptor,
    Manifest,
    check_architecture,
    configuration,
    document,
    refuse_bootc,
)

NESTING_LIMIT = 4
"""An index may name an index."""


class Store(Protocol):
    """Where images are kept. All methods raise ImportFailure."""

    name: str

    def first(self) -> bytes:
        """The manifest or index that the user has named."""

    def document(self, digest: str) -> bytes:
        """A manifest or index; verified."""

    def blob(self, descriptor: Descriptor) -> bytes:
        """A small blob, whole; verified."""

    def layer(self, descriptor: Descriptor) -> Source:
        """A layer, not verified. It is to be closed."""


def open_registry(source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes) -> Source:
    """Raises ImportFailure: not reachable, not there, not allowed, not an image with a disk."""
    meter = Meter(on_bytes)
    store = store_of(source, connections, environment, meter)
    manifest = choose(store, source.platform_architecture or this_machine())
    settings = configuration(store.blob(manifest.config))
    check_architecture(settings, source.platform_architecture)
    refuse_bootc(settings)
    for layer in manifest.layers:
        before = meter.count
        if disk := disk_in(partial(opened, store, layer)):
            travels = disk.size_bytes if disk.ranged else layer.size_bytes
            disk.name = store.name
            place = f"{layer.digest} {disk.member.offset} {disk.size_bytes}"
            disk.about = About(settings.labels, before + travels, place)
            return disk
    raise Permanent(
        "Failed to find VM disk image file in the container image",
        "Put the disk into the directory /disk/ of the image.",
    )


def opened(store: Store, layer: Descriptor) -> Source:
    return Verified(store.layer(layer), layer.digest)


def store_of(source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes) -> Store:
    if source.url.strip().startswith(archive.SCHEME):
        return archive.ArchiveStore(source.url, on_bytes)
    from importer_image.source.registry.reference import parse
    from importer_image.source.registry.remote import RemoteStore

    return RemoteStore(source, parse(source.url), connections, environment, on_bytes)


def choose(store: Store, architecture: str) -> Manifest:
    """The manifest for an architecture. One that is not in an index is taken as it is."""
    found = document(store.first())
    for _ in range(NESTING_LIMIT):
        if isinstance(found, Manifest):
            return found
        found = document(store.document(found.choose(architecture).digest))
    raise Permanent(f"Error retrieving image: an index in an index, more than {NESTING_LIMIT} times")


def this_machine() -> str:
    machine = os.uname().machine
    return MACHINES.get(machine, machine)


class Meter:
    """Counts what comes in, on its way to whoever wants to know."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self.count = 0
        self._on_bytes = on_bytes

    def __call__(self, count: int) -> None:
        self.count += count
        self._on_bytes(count)
