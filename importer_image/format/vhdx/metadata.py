"""What the metadata of a VHDX file says of the disk. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from importer_image.extent import Buffer
from importer_image.format.safety import no_parent
from importer_image.format.vhdx.regions import invalid

MIB = 1 << 20
MOST_BYTES = MIB
"""Of the region: everything we look for lies in its first MiB, which is what all writers make it."""
MOST_ENTRIES = 2047
MOST_DISK_BYTES = 64 << 40
SECTORS_IN_BITMAP = 1 << 23
"""That one block of sector bitmap describes."""
REQUIRED = 4
HAS_PARENT = 2

FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
LOGICAL_SECTOR = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
UNUSED = ((PHYSICAL_SECTOR, 4), (DISK_ID, 16))
"""What every disk has all the same, and its length."""
KNOWN = (FILE_PARAMETERS, DISK_SIZE, LOGICAL_SECTOR, PHYSICAL_SECTOR, DISK_ID, PARENT_LOCATOR)

_TABLE = struct.Struct("<8s2xH20x")
_ENTRY = struct.Struct("<16sIII4x")


@dataclass(frozen=True)
class Disk:
    virtual_bytes: int
    block_bytes: int
    sector_bytes: int

    @property
    def blocks(self) -> int:
        return -(-self.virtual_bytes // self.block_bytes)

    @property
    def chunk_blocks(self) -> int:
        """How many blocks stand in the allocation table between two entries for sector bitmaps."""
        return SECTORS_IN_BITMAP * self.sector_bytes // self.block_bytes

    @property
    def entries(self) -> int:
        """How many of the allocation table the disk needs."""
        return self.blocks + max(self.blocks - 1, 0) // self.chunk_blocks


def parse(region: Buffer, image: str) -> Disk:
    """`region` is the metadata region, or its first MOST_BYTES, a table at least.

    Raises Permanent for what must not be imported.
    """
    items = _items(memoryview(region))
    block_bytes, bits = struct.unpack("<II", _item(items, FILE_PARAMETERS, 8))
    (virtual_bytes,) = struct.unpack("<Q", _item(items, DISK_SIZE, 8))
    (sector_bytes,) = struct.unpack("<I", _item(items, LOGICAL_SECTOR, 4))
    for name, length in UNUSED:
        _item(items, name, length)
    if bits & HAS_PARENT or PARENT_LOCATOR in items:
        no_parent(image, "(it is a differencing disk)")
    if block_bytes & block_bytes - 1 or not MIB <= block_bytes <= 256 * MIB:
        raise invalid(f"blocks of {block_bytes} bytes are absurd")
    if sector_bytes not in (512, 4096):
        raise invalid(f"sectors of {sector_bytes} bytes do not exist")
    if not virtual_bytes:
        raise invalid("its disk has no size")
    if virtual_bytes > MOST_DISK_BYTES:
        raise invalid(f"a virtual size of {virtual_bytes} bytes is more than 64 TiB")
    if virtual_bytes % sector_bytes:
        raise invalid(f"a virtual size of {virtual_bytes} bytes is not one of whole sectors")
    return Disk(virtual_bytes, block_bytes, sector_bytes)


def _items(region: memoryview) -> dict[UUID, memoryview]:
    signature, entries = _TABLE.unpack_from(region)
    if signature != b"metadata" or entries > MOST_ENTRIES:
        raise invalid("there is no metadata where it should be")
    found: dict[UUID, memoryview] = {}
    for index in range(entries):
        name_bytes, offset, length, bits = _ENTRY.unpack_from(region, _TABLE.size + index * _ENTRY.size)
        name = UUID(bytes_le=name_bytes)
        if name not in KNOWN:
            if bits & REQUIRED:
                raise invalid(f"it needs the metadata {name}, which is not known")
            continue
        if name in found:
            raise invalid("it has the same metadata twice")
        found[name] = region[offset : offset + length]
    return found


def _item(items: dict[UUID, memoryview], name: UUID, length: int) -> memoryview:
    if len(items.get(name, b"")) < length:
        raise invalid(f"the metadata {name} is missing")
    return items[name][:length]
