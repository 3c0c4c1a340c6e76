"""How large the disk may and will be: the size rules of the reference (spec 5.5, 2.1), as pure arithmetic.

The same rule lives on the other side of the contract as `cdi_operator.storage.sizes`; both are held to the same
golden vectors.
"""

from __future__ import annotations

from importer_image.errors import Permanent

MIB = 1 << 20
SECTOR_BYTES = 512


def usable_bytes(size_bytes: int, overhead: str) -> int:
    """What an image may use of `size_bytes` when a filesystem takes the share `overhead`, a decimal such as "0.06"."""
    whole, _, digits = overhead.partition(".")
    scale = int("1" + "0" * len(digits))
    share = int(whole or "0") * scale + int(digits or "0")
    return -(-size_bytes * scale // (scale + share)) // MIB * MIB


def disk_bytes(virtual_bytes: int, requested_bytes: int, available_bytes: int, overhead: str) -> int:
    """The size of a disk file: grown to what was asked for as far as there is room, never shrunk.

    `requested_bytes` 0 means: as large as the image.
    """
    if not requested_bytes:
        return virtual_bytes
    return max(virtual_bytes, min(requested_bytes, usable_bytes(available_bytes, overhead)))


def require_room(virtual_bytes: int, available_bytes: int) -> None:
    """Raises Permanent, in the reference's words, for an image that does not fit."""
    if virtual_bytes > available_bytes:
        raise Permanent(
            f"virtual image size {virtual_bytes} is larger than the reported available storage {available_bytes}. "
            "A larger PVC is required",
            f"Ask for at least {-(-virtual_bytes // MIB)} MiB, and for the filesystem overhead where there is one.",
        )


def whole_sectors(length_bytes: int) -> int:
    """A raw image that ends within a sector is as large as the sectors that it touches."""
    return -(-length_bytes // SECTOR_BYTES) * SECTOR_BYTES
