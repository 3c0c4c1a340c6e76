"""The header of a VMDK: what it says, and what we refuse because of it. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from importer_image.errors import Permanent
from importer_image.format.mapped import corrupt

SECTOR_BYTES = 512
MAGIC = b"KDMV"
AT_END = 0xFFFF_FFFF_FFFF_FFFF
"""In place of the grain directory: the footer will tell where that lies."""
NONE = 0
DIRECTORY_LIMIT_BYTES = 32 << 20
"""Enough for 256 TiB, four times what VMware supports."""
MOST_TABLE_ENTRIES = 512
GRAIN_LIMIT_BYTES = 1 << 30
PACKED_GRAIN_LIMIT_BYTES = 2 << 20
"""Of a grain that has to be decoded in one piece. Everybody writes 64 KiB."""

NEWLINES_VALID, ZERO_GRAINS, COMPRESSED, MARKERS = 1 << 0, 1 << 2, 1 << 16, 1 << 17
NEWLINES = b"\n \r\n"
DEFLATE = 1

MARKER = struct.Struct("<QI")
"""Before a compressed grain: its sector on the disk, and the size of its data, which follows. Before all else in such a
file: how many sectors follow that of the marker, and 0."""

_LAYOUT = struct.Struct("<4sIIQQQQIQQQB4sH")


@dataclass(frozen=True)
class Header:
    capacity_sectors: int
    grain_sectors: int
    table_entries: int
    directory_sector: int
    """May be AT_END."""
    overhead_sectors: int
    """Where grains may begin."""
    descriptor_sector: int
    """May be NONE."""
    descriptor_sectors: int
    compressed: bool
    zero_grains: bool
    """Whether 1 in place of a grain means: zeros."""

    @property
    def virtual_bytes(self) -> int:
        return self.capacity_sectors * SECTOR_BYTES

    @property
    def grain_bytes(self) -> int:
        return self.grain_sectors * SECTOR_BYTES

    @property
    def packed_limit_bytes(self) -> int:
        """Of the data of a compressed grain: more than one takes that cannot be compressed, and what QEMU reads."""
        return 2 * self.grain_bytes

    @property
    def grains(self) -> int:
        return -(-self.capacity_sectors // self.grain_sectors)

    @property
    def table_bytes(self) -> int:
        return self.table_entries * 4

    @property
    def table_sectors(self) -> int:
        return -(-self.table_bytes // SECTOR_BYTES)

    @property
    def table_covers_bytes(self) -> int:
        """Part of the disk that one grain table maps."""
        return self.table_entries * self.grain_bytes

    @property
    def directory_entries(self) -> int:
        return -(-self.grains // self.table_entries)


def parse(head: bytes) -> Header:
    """`head` is the beginning of the image, 512 bytes or more. Raises Permanent for what must not be imported."""
    (_, version, flags, capacity, grain, descriptor, descriptor_sectors, entries, _, directory, overhead, *rest) = (
        _LAYOUT.unpack_from(head)
    )
    _, newlines, compression = rest
    if flags & NEWLINES_VALID and newlines != NEWLINES:
        raise Permanent(
            "invalid vmdk image: it was damaged on its way: something has changed its line ends",
            "Transfer it again in binary mode, not as text.",
        )
    if not 1 <= version <= 3:
        raise invalid(f"vmdk version {version} is not known")
    if compression not in (0, DEFLATE):
        raise invalid(f"compression {compression} is not known")
    compressed = compression == DEFLATE
    if compressed and not flags & MARKERS:
        raise Permanent(
            "invalid vmdk image: its compressed grains have no markers, which nobody writes",
            "Write it anew: qemu-img convert -O qcow2 IMAGE IMAGE.qcow2",
        )
    if entries > MOST_TABLE_ENTRIES:
        raise invalid(f"grain tables of {entries} entries are absurd")
    places = (directory, overhead, descriptor, descriptor_sectors)
    return _sane(Header(capacity, grain, entries, *places, compressed, bool(flags & ZERO_GRAINS)))


def footer_of(sector: bytes, header: Header) -> Header:
    """What stands at the end of a stream: the header once more, with what was not known before. Raises Permanent."""
    if not sector.startswith(MAGIC):
        raise corrupt("its footer is no header")
    footer = parse(sector)
    if (footer.capacity_sectors, footer.grain_sectors) != (header.capacity_sectors, header.grain_sectors):
        raise corrupt("its footer contradicts its header")
    if footer.directory_sector == AT_END:
        raise corrupt("its footer does not say where its grain directory is")
    return footer


def _sane(header: Header) -> Header:
    limit = PACKED_GRAIN_LIMIT_BYTES if header.compressed else GRAIN_LIMIT_BYTES
    if not 0 < header.grain_bytes <= limit or header.grain_sectors & (header.grain_sectors - 1):
        raise invalid(
            f"grains of {header.grain_sectors} sectors are absurd: it must be a power of two of at most "
            f"{limit // SECTOR_BYTES}"
        )
    if not header.table_entries:
        raise invalid("grain tables without entries are absurd")
    if header.virtual_bytes >= 1 << 63:
        raise invalid(f"a virtual size of {header.virtual_bytes} bytes is absurd")
    if header.directory_entries * 4 > DIRECTORY_LIMIT_BYTES:
        raise invalid(f"a grain directory of {header.directory_entries} entries is absurd")
    if header.directory_sector == AT_END and not header.compressed:
        raise invalid("only compressed images may have their grain directory at the end")
    if header.directory_sector == NONE:
        raise invalid("it has no grain directory")
    if not header.capacity_sectors:
        raise invalid("its disk has no size")
    return header


def invalid(reason: str) -> Permanent:
    return Permanent(f"invalid vmdk image: {reason}", "Check the file with qemu-img check.")
