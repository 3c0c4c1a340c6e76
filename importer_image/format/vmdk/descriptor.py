"""The text that describes a VMDK: embedded in an image, or a file of its own that lacks what it describes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from importer_image.errors import Permanent
from importer_image.format.safety import NO_ENCRYPTION, no_backing_file

NO_PARENT = "ffffffff"
LONGEST_NAME = 255
WHOLE = "Make it one file first: qemu-img convert -O qcow2 DESCRIPTION.vmdk DISK.qcow2, with all its files beside it."
DEVICES, RAW = ("VMFSRDM", "VMFSRAW"), ("FLAT", "VMFS")
"""Types of extents."""

_SETTING = re.compile(r"^\s*([\w.:]+)\s*=\s*\"?([^\"\r\n]*)", re.MULTILINE)
_EXTENT = re.compile(r"^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)(?:\s+\"([^\"\r\n]*)\")?", re.MULTILINE)


@dataclass(frozen=True)
class Descriptor:
    settings: dict[str, str]
    """Keys in lower case."""
    extents: tuple[tuple[str, str], ...]
    """Of every file of the disk its type, such as SPARSE, and its name."""

    @property
    def parent(self) -> str | None:
        """What this one holds only the changes to."""
        if self.settings.get("parentcid", NO_PARENT).lower() == NO_PARENT:
            return None
        return self.settings.get("parentfilenamehint", "of an unknown name")

    @property
    def encrypted(self) -> bool:
        """By Workstation, or by a filter of vSphere."""
        return any(
            key.startswith("encryption.") or (key.endswith("iofilters") and "crypt" in value)
            for key, value in self.settings.items()
        )


def parse(text: bytes) -> Descriptor:
    words = text.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    settings = {key.lower(): _shown(value.strip()) for key, value in _SETTING.findall(words)}
    return Descriptor(settings, tuple((kind.upper(), _shown(name)) for kind, name in _EXTENT.findall(words)))


def require_whole(found: Descriptor, image: str) -> None:
    """Raises Permanent when an image is not all of its disk, or cannot be read."""
    if found.encrypted:
        raise Permanent(f"Image {image} is encrypted", NO_ENCRYPTION)
    if found.parent is not None:
        no_backing_file(image, found.parent.encode())
    if len(found.extents) > 1:
        raise Permanent(f"Image {image} is one of {len(found.extents)} files that are a disk together", WHOLE)


def refuse_alone(text: bytes, image: str) -> NoReturn:
    """A description without the disk: says what to serve instead."""
    found = parse(text)
    require_whole(Descriptor(found.settings, ()), image)
    where, hint = _whereabouts(found)
    raise Permanent(f"Invalid format vmdk for image {image}: it only describes a disk whose data {where}", hint)


def _whereabouts(found: Descriptor) -> tuple[str, str]:
    """Of the data, and what to do about it."""
    if len(found.extents) != 1:
        return f"is in {len(found.extents) or 'other'} files", WHOLE
    kind, name = found.extents[0]
    if kind in DEVICES:
        return "is a device of its host", WHOLE
    if kind in RAW:
        return f"is in the file {name}", f"Serve {name} instead: that is the disk itself, as a raw image."
    return f"is in the file {name}", WHOLE


def _shown(text: str) -> str:
    """Written by a stranger, and about to be part of a line that a user reads."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_NAME])
