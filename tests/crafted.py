"""VDI, VHD and VHDX files put together field by field, valid unless a field says otherwise.

Each has a small disk whose first block is full of 0xa5, in the place where QEMU would put it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from importer_image.format.vhdx.regions import crc32c
from tests.images import KIB, MIB

Parts = tuple[tuple[int, bytes], ...]
BLOCK = b"\xa5" * MIB
NOBODY = bytes(16)
BAT_ID, METADATA_ID = "2dc27766-f623-4200-9d64-115e9bfd4a08", "8b7ca206-4790-4b9a-b8fe-575f050f886e"
"""Of the regions of a VHDX."""


def laid_out(path: Path, parts: Parts, length: int) -> Path:
    """These bytes at these offsets, and nothing behind `length`."""
    with path.open("wb") as file:
        for offset, part in parts:
            file.seek(offset)
            file.write(part)
        file.truncate(length)
    return path


@dataclass(frozen=True)
class Vdi:
    version: int = 1 << 16 | 1
    kind: int = 1
    map_offset: int = 512
    data_offset: int = 1024
    sector_bytes: int = 512
    size: int = 4 * MIB
    block_bytes: int = MIB
    blocks: int = 4
    link: bytes = NOBODY
    parent: bytes = NOBODY
    map: tuple[int, ...] = (0, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
    length: int = 1024 + MIB
    """Of the file."""

    def write(self, path: Path) -> Path:
        head = struct.pack("<64s5I256x", b"<<< by hand >>>", 0xBEDA107F, self.version, 400, self.kind, 0)
        head += struct.pack("<2I12xI4x", self.map_offset, self.data_offset, self.sector_bytes)
        head += struct.pack("<Q4I32x", self.size, self.block_bytes, 0, self.blocks, 1)
        head += self.link + self.parent
        table = struct.pack(f"<{len(self.map)}I", *self.map)
        return laid_out(path, ((0, head), (512, table), (1024, BLOCK)), self.length)


@dataclass(frozen=True)
class Vhd:
    creator: bytes = b"win "
    size: int = 4 * MIB
    geometry: tuple[int, int, int] = (100, 4, 17)
    kind: int = 3
    checksum: int | None = None
    header_offset: int = 512
    magic: bytes = b"cxsparse"
    parent: str = ""
    table_offset: int = 1536
    entries: int = 4
    block_bytes: int = MIB
    table: tuple[int, ...] = (4, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    length: int = 5 * 512 + MIB + 512
    """Of the file: footer, header of two sectors, table, bitmap, block, footer."""

    def footer(self) -> bytes:
        front = struct.pack(">8s2IQI4s2I2QHBBI", b"conectix", 2, 1 << 16, self.header_offset, 0, *self._rest())
        total = ~sum(front) & 0xFFFFFFFF if self.checksum is None else self.checksum
        return (front + struct.pack(">I", total)).ljust(512, b"\0")

    def write(self, path: Path) -> Path:
        header = struct.pack(">8sQQ3I", self.magic, (1 << 64) - 1, self.table_offset, 1 << 16, self.entries, 0)
        header = header[:32] + struct.pack(">I28x", self.block_bytes) + self.parent.encode("utf-16-be")
        table = struct.pack(f">{len(self.table)}I", *self.table).ljust(512, b"\xff")
        parts = ((512, header), (1536, table), (2048, b"\xff" * 512 + BLOCK + self.footer()), (0, self.footer()))
        return laid_out(path, parts, self.length)

    def _rest(self) -> tuple[object, ...]:
        return self.creator, 0, 0, self.size, self.size, *self.geometry, self.kind


@dataclass(frozen=True)
class Vhdx:
    """Headers, log at 1 MiB, block allocation table at 2, metadata at 3, the block at 4."""

    numbers: tuple[int, int] = (7, 8)
    """The ages of its headers."""
    damaged: tuple[int, ...] = ()
    """Which of headers (0, 1) and region table (2) have a wrong checksum."""
    unlike: bool = False
    """Whether the headers differ in more than their age."""
    version: int = 1
    log_version: int = 0
    log_id: bytes = NOBODY
    log_offset: int = MIB
    log_length: int = MIB
    log: bytes = b""
    regions: tuple[tuple[str, int, int, int], ...] = (
        (BAT_ID, 2 * MIB, MIB, 1),
        (METADATA_ID, 3 * MIB, MIB, 1),
    )
    region_count: int | None = None
    signature: bytes = b"metadata"
    size: int = 4 * MIB
    block_bytes: int = MIB
    sector_bytes: int = 512
    bits: int = 0
    without: str = ""
    """Metadata that is missing."""
    more: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    """Further metadata, each with its bits."""
    bat: tuple[int, ...] = (4 * MIB | 6, 0, 2, 3)
    length: int = 5 * MIB

    def write(self, path: Path) -> Path:
        parts = (
            (0, b"vhdxfile"),
            (64 * KIB, self._header(0)),
            (128 * KIB, self._header(1)),
            (192 * KIB, self._region_table()),
            (MIB, self.log),
            (2 * MIB, struct.pack(f"<{len(self.bat)}Q", *self.bat)),
            (3 * MIB, self._metadata()),
            (4 * MIB, BLOCK),
        )
        return laid_out(path, parts, self.length)

    def _header(self, index: int) -> bytes:
        file_id = bytes([self.unlike * index]) * 32
        head = struct.pack("<4s4xQ32s16s", b"head", self.numbers[index], file_id, self.log_id)
        head += struct.pack("<2HIQ", self.log_version, self.version, self.log_length, self.log_offset)
        return sealed(head.ljust(4 * KIB, b"\0"), index in self.damaged)

    def _region_table(self) -> bytes:
        count = len(self.regions) if self.region_count is None else self.region_count
        table = struct.pack("<4s4xI4x", b"regi", count)
        for name, offset, length, bits in self.regions:
            table += struct.pack("<16sQ2I", UUID(name).bytes_le, offset, length, bits)
        return sealed(table.ljust(64 * KIB, b"\0"), 2 in self.damaged)

    def _metadata(self) -> bytes:
        items = {
            "caa16737-fa36-4d43-b3b6-33f0aa44e76b": (4, struct.pack("<2I", self.block_bytes, self.bits)),
            "2fa54224-cd1b-4876-b211-5dbed83bf4b8": (6, struct.pack("<Q", self.size)),
            "8141bf1d-a96f-4709-ba47-f233a8faab5f": (6, struct.pack("<I", self.sector_bytes)),
            "cda348c7-445d-4471-9cc9-e9885251c556": (6, struct.pack("<I", 4096)),
            "beca12ab-b2e6-4523-93ef-c309e000c746": (6, b"page 83 of a disk"[:16]),
            **self.more,
        }
        items.pop(self.without, None)
        table = struct.pack("<8s2xH20x", self.signature, len(items))
        content = b""
        for name, (bits, item) in items.items():
            table += struct.pack("<16s3I4x", UUID(name).bytes_le, 64 * KIB + len(content), len(item), bits)
            content += item
        return table.ljust(64 * KIB, b"\0") + content


def sealed(block: bytes, damaged: bool = False) -> bytes:
    checksum = crc32c(block) ^ damaged
    return block[:4] + struct.pack("<I", checksum) + block[8:]


def log_entry(log_id: bytes) -> bytes:
    """One entry that writes nothing but is the whole of an active log."""
    entry = struct.pack("<4s4x2IQ2I16s2Q", b"loge", 4 * KIB, 0, 1, 0, 0, log_id, 5 * MIB, 5 * MIB)
    return sealed(entry.ljust(4 * KIB, b"\0"))
