"""VMDK files that QEMU does not write: exports as VMware's tools stream them, and both kinds put together by field."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
GRAIN = 128 * SECTOR
AT_END = 0xFFFF_FFFF_FFFF_FFFF
END, TABLE, DIRECTORY, FOOTER = range(4)
VALID_NEWLINES, REDUNDANT, ZERO_GRAINS, COMPRESSED, MARKERS = 1, 2, 4, 1 << 16, 1 << 17

DESCRIPTION = """# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="{kind}"
RW {sectors} SPARSE "disk.vmdk"
ddb.adapterType = "lsilogic"
"""


@dataclass(frozen=True)
class Head:
    """The fields of a hosted header, in their order."""

    magic: bytes = b"KDMV"
    version: int = 3
    flags: int = VALID_NEWLINES | COMPRESSED | MARKERS
    capacity: int = 8192
    grain: int = 128
    descriptor: int = 1
    descriptor_sectors: int = 20
    table_entries: int = 512
    redundant: int = 0
    directory: int = AT_END
    overhead: int = 128
    unclean: int = 0
    newlines: bytes = b"\n \r\n"
    compression: int = 1

    def packed(self) -> bytes:
        return padded(struct.pack("<4sIIQQQQIQQQB4sH", *vars(self).values()))


def padded(data: bytes, to: int = SECTOR) -> bytes:
    return data.ljust(-(-len(data) // to) * to, b"\0")


def marker(kind: int, sectors: int) -> bytes:
    return padded(struct.pack("<QII", sectors, 0, kind))


def grain(number: int, data: bytes, grain_sectors: int = 128) -> bytes:
    """Padded to sectors, with its marker."""
    body = zlib.compress(data, 6)
    return padded(struct.pack("<QI", number * grain_sectors, len(body)) + body)


def numbers(entries: Sequence[int]) -> bytes:
    return padded(struct.pack(f"<{len(entries)}I", *entries))


@dataclass(frozen=True)
class Part:
    name: str
    data: bytes


@dataclass
class Export:
    """A stream in parts with names such as `header`, `grain 3`, `table 0`, `directory`, `footer`, `end`.

    Grain tables come after their grains, the directory after all of them, and the footer says where it is.
    """

    disk: bytes
    head: Head = field(default_factory=Head)
    footer: Head | None = None
    """Other fields than the header's."""
    tables_last: bool = False
    """All grain tables at the end."""
    backwards: bool = False
    """The last grain first, so that grains are in no order."""
    description: str = ""

    def parts(self) -> list[Part]:
        step = self.head.grain * SECTOR
        per_table = self.head.table_entries
        text = self.description or DESCRIPTION.format(kind="streamOptimized", sectors=self.head.capacity)
        front = padded(text.encode(), 20 * SECTOR).ljust((self.head.overhead - 1) * SECTOR, b"\0")
        self._parts = [Part("header", self.head.packed()), Part("description", front)]
        grains = -(-len(self.disk) // step)
        tables = -(-grains // per_table)
        entries = [[0] * per_table for _ in range(tables)]
        directory = [0] * tables

        def write_table(index: int) -> None:
            if any(entries[index]):
                directory[index] = self._sector + 1
                data = numbers(entries[index])
                self._add(f"table {index}", marker(TABLE, len(data) // SECTOR) + data)

        order = range(tables)
        for index in reversed(order) if self.backwards else order:
            numbers_of = range(index * per_table, min((index + 1) * per_table, grains))
            for number in reversed(numbers_of) if self.backwards else numbers_of:
                data = self.disk[number * step : (number + 1) * step].ljust(step, b"\0")
                if any(data):
                    entries[index][number % per_table] = self._sector
                    self._add(f"grain {number}", grain(number, data, self.head.grain))
            if not self.tables_last:
                write_table(index)
        for index in order if self.tables_last else ():
            write_table(index)
        place = self._sector + 1
        data = numbers(directory)
        self._add("directory", marker(DIRECTORY, len(data) // SECTOR) + data)
        footer = self.footer or Head(**{**vars(self.head), "directory": place})
        self._add("footer", marker(FOOTER, 1) + footer.packed())
        self._add("end", marker(END, 0))
        return self._parts

    @property
    def _sector(self) -> int:
        return sum(len(part.data) for part in self._parts) // SECTOR

    def _add(self, name: str, data: bytes) -> None:
        self._parts.append(Part(name, data))

    def content(self) -> bytes:
        return b"".join(part.data for part in self.parts())


@dataclass(frozen=True)
class Sparse:
    """A file with plain grains, valid unless a field says otherwise: data in the first grain of 64 KiB."""

    head: Head = field(default_factory=lambda: Head(version=1, flags=VALID_NEWLINES, directory=21, compression=0))
    description: str = DESCRIPTION.format(kind="monolithicSparse", sectors=8192)
    directory: tuple[int, ...] = (22,)
    table: tuple[int, ...] = (128,)
    length: int = 256 * SECTOR

    def content(self) -> bytes:
        image = bytearray(256 * SECTOR)
        for sector, part in (
            (0, self.head.packed()),
            (1, self.description.encode()),
            (21, numbers(self.directory)),
            (22, numbers(self.table)),
            (128, b"\x5a" * GRAIN),
        ):
            image[sector * SECTOR : sector * SECTOR + len(part)] = part
        return bytes(image[: self.length])


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
