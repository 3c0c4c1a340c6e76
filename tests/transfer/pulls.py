"""Imports from container images in few words."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from importer_image.job import Report
from tests.containers import (
    Blobs,
    file,
)
from tests.images import MIB
from tests.transfer.imports import imported

FAILED = "Unable to process data: Unable to transfer source data to scratch space: Failed to read registry image: "
CONTENT = b"\xeb\x63\x90" + random.Random(1).randbytes(MIB - 3)
OTHERS = [file(f"usr/share/{number}", random.Random(number).randbytes(number * 97 % 3000)) for number in range(300)]


def pulled(reference: str, out: Path, **settings: Any) -> Report:
    return imported(reference, out, kind="registry", **settings)


def from_archive(blobs: Blobs, image: Any, out: Path, **settings: Any) -> Report:
    return pulled(f"oci-archive:{blobs.archive(out.parent / 'image.tar', image)}", out, **settings)


def of_layers(*layers: bytes, out: Path, **settings: Any) -> Report:
    """Imported from an archive with an image of these layers."""
    blobs = Blobs()
    return from_archive(blobs, blobs.image(*layers), out, **settings)


def holds(out: Path, content: bytes) -> bool:
    return out.read_bytes() == content
