"""The header of a qcow2 image: what it says, and what we refuse because of it. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from importer_image.errors import Permanent
from importer_image.format.safety import (
    NO_ENCRYPTION,
    invalid_image,
    no_backing_file,
    no_external_data,
    require_base,
)

MAGIC = b"QFI\xfb"
HEADER_BYTES = 112
"""As much as this module reads; the name of a backing file lies within HEAD_BYTES."""
HEAD_BYTES = 4096
L1_LIMIT_BYTES = 32 << 20
SECTOR_BYTES = 512

CORRUPT, EXTERNAL_DATA, COMPRESSION_TYPE, EXTENDED_L2 = 1 << 1, 1 << 2, 1 << 3, 1 << 4
DIRTY = 1 << 0
KNOWN_FEATURES = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2
COMPRESSIONS = {0: "zlib", 1: "zstd"}

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")


@dataclass(frozen=True)
class Header:
    version: int
    cluster_bits: int
    virtual_bytes: int
    l1_offset: int
    l1_entries: int
    """How many of the entries of the L1 table are needed for the virtual size."""
    extended_l2: bool
    compression: str
    is_delta: bool = False
    """Whether a cluster that is not there is one of the disk that the image is to be applied to. Otherwise: zeros."""

    @property
    def cluster_bytes(self) -> int:
        return 1 << self.cluster_bits

    @property
    def l2_entries(self) -> int:
        """Clusters that one L2 table maps."""
        return self.cluster_bytes // (16 if self.extended_l2 else 8)

    @property
    def l2_covers_bytes(self) -> int:
        """Part of the disk that one L2 table maps."""
        return self.l2_entries * self.cluster_bytes


def parse(head: bytes, image: str, base: str = "") -> Header:
    """`head` is the beginning of the image, at least HEADER_BYTES. Raises Permanent for what must not be imported.

    `base`: the name of the backing file that the image has to have; empty: it must have none.
    """
    if not head.startswith(MAGIC) or len(head) < HEADER_BYTES:
        raise _invalid("it has no header")
    (_, version, backing_offset, backing_length, cluster_bits, size, encryption, l1_entries, l1_offset, *_) = (
        _V2.unpack_from(head)
    )
    if version not in (2, 3):
        raise _invalid(f"qcow2 version {version} is not known")
    features, _, _, refcount_order, header_length = _V3.unpack_from(head, _V2.size) if version > 2 else (0, 0, 0, 4, 72)
    if not 9 <= cluster_bits <= 21:
        raise _invalid("the cluster size must be a power of two between 512 and 2048k")
    if version > 2 and (header_length < 104 or header_length % 8 or header_length > 1 << cluster_bits):
        raise _invalid(f"a header of {header_length} bytes is absurd")
    if refcount_order > 6:
        raise _invalid("reference counts of more than 64 bits do not exist")
    if features & ~KNOWN_FEATURES:
        bits = ", ".join(str(bit) for bit in range(64) if features & ~KNOWN_FEATURES & 1 << bit)
        raise _invalid(f"it needs features that are not known (incompatible feature bits {bits})")
    if encryption:
        raise Permanent(f"Image {image} is encrypted", NO_ENCRYPTION)
    backing_file = head[backing_offset : backing_offset + min(backing_length, 1023)] if backing_offset else b""
    if base:
        require_base(backing_file, base)
    elif backing_offset:
        no_backing_file(image, backing_file)
    if features & EXTERNAL_DATA:
        no_external_data(image)
    code = head[104] if header_length > 104 else 0
    if code not in COMPRESSIONS or bool(code) != bool(features & COMPRESSION_TYPE):
        raise _invalid(f"compression type {code} is not known")
    if features & EXTENDED_L2 and cluster_bits < 14:
        raise _invalid("extended L2 entries need clusters of at least 16k")
    # QEMU counts in sectors, and leaves out what does not fill one.
    size = size // SECTOR_BYTES * SECTOR_BYTES
    extended_l2, compression = bool(features & EXTENDED_L2), COMPRESSIONS[code]
    header = Header(version, cluster_bits, size, l1_offset, 0, extended_l2, compression, is_delta=bool(base))
    return _with_l1(header, l1_entries)


def _with_l1(header: Header, entries: int) -> Header:
    if entries * 8 > L1_LIMIT_BYTES:
        raise L1TooBig()
    if header.virtual_bytes >= 1 << 63:
        raise _invalid(f"a virtual size of {header.virtual_bytes} bytes is absurd")
    needed = -(-header.virtual_bytes // header.l2_covers_bytes)
    if needed > entries:
        raise _invalid("L1 table is too small")
    if header.l1_offset % header.cluster_bytes or header.l1_offset >= 1 << 56:
        raise _invalid(f"the L1 table lies at {header.l1_offset}, which is not the beginning of a cluster")
    return Header(**{**vars(header), "l1_entries": needed})


class L1TooBig(Permanent):
    """Has a text of its own in the reference."""

    def __init__(self) -> None:
        super().__init__("L1 size too big", "The image is broken, or made to do harm: no disk needs such a table.")


def _invalid(reason: str) -> Permanent:
    return invalid_image("qcow2", reason)
