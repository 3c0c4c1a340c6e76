"""Where in an image the numbers are that mean something: headers, tables, markers; and what guards them. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from importer_image.format.vhdx.regions import crc32c
from tests.images import KIB, MIB

SECTOR = 512
Order = Literal["big", "little"]


class Place(NamedTuple):
    """A number of `width` bytes."""

    offset: int
    width: int
    order: Order

    def read(self, content: bytes | bytearray) -> int:
        return int.from_bytes(content[self.offset : self.offset + self.width], self.order)

    def write(self, content: bytearray, number: int) -> None:
        wrapped = number % (1 << 8 * self.width)
        content[self.offset : self.offset + self.width] = wrapped.to_bytes(self.width, self.order)


def of_struct(offset: int, layout: str) -> list[Place]:
    """Of each field that `struct` would unpack there."""
    order: Order = "big" if layout.startswith(">") else "little"
    found = []
    for count, code in re.findall(r"(\d*)(\w)", layout[1:]):
        width = int(count or 1) if code in "sx" else struct.calcsize(f"<{code}")
        for _ in range(1 if code in "sx" else int(count or 1)):
            if code != "x":
                found.append(Place(offset, width, order))
            offset += width
    return found


def of_table(offset: int, entries: int, width: int, order: Order) -> list[Place]:
    return [Place(offset + index * width, width, order) for index in range(entries)]


def qcow2(content: bytes) -> Iterator[Place]:
    header = of_struct(0, ">4sIQIIQIIQQIIQ")
    yield from header
    if content[7] > 2:
        yield from of_struct(72, ">QQQIIB")
    cluster_bits, l1_entries, l1_offset = (header[index].read(content) for index in (4, 7, 8))
    l1 = of_table(l1_offset, l1_entries, 8, "big")
    yield from l1
    for entry in l1:
        if offset := entry.read(content) & 0x00FF_FFFF_FFFF_FE00:
            yield from of_table(offset, min((1 << cluster_bits) // 8, 96), 8, "big")


def vmdk(content: bytes) -> Iterator[Place]:
    header = of_struct(0, "<4sIIQQQQIQQQB4sH")
    yield from header
    entries, directory_sector, overhead, compression = (header[index].read(content) for index in (7, 9, 10, 13))
    if directory_sector * SECTOR < len(content):
        yield from of_table(directory_sector * SECTOR, 4, 4, "little")
        for entry in of_table(directory_sector * SECTOR, 4, 4, "little"):
            yield from of_table(entry.read(content) * SECTOR, min(entries, 64), 4, "little")
    if compression:
        yield from _markers(content, overhead * SECTOR)


def _markers(content: bytes, offset: int) -> Iterator[Place]:
    while offset + SECTOR <= len(content):
        marker = of_struct(offset, "<QII")
        yield from marker
        number, size, kind = (place.read(content) for place in marker)
        if size:
            offset += -(-(12 + size) // SECTOR) * SECTOR
        else:
            yield from of_struct(offset + SECTOR, "<4sIIQQQQIQQQB4sH") if kind == 3 else ()
            yield from of_table(offset + SECTOR, min(number * SECTOR // 4, 64), 4, "little") if kind in (1, 2) else ()
            offset += (1 + number) * SECTOR


def vdi(content: bytes) -> Iterator[Place]:
    header = of_struct(0x40, "<IIIII256xIIIIIIIQIIII16s16s16s16s")
    yield from header
    map_offset, blocks = header[5].read(content), header[15].read(content)
    yield from of_table(map_offset, blocks, 4, "little")


def vpc(content: bytes) -> Iterator[Place]:
    footer = ">8sIIQI4sIIQQHBBII16sB"
    yield from of_struct(len(content) - SECTOR, footer)
    if not content.startswith(b"conectix"):
        return
    yield from of_struct(0, footer)
    header = of_struct(SECTOR, ">8sQQIIII")
    yield from header
    yield from of_table(header[2].read(content), header[4].read(content), 4, "big")


def vhdx(content: bytes) -> Iterator[Place]:
    for offset in (64 * KIB, 128 * KIB):
        yield from of_struct(offset, "<4sIQ16s16s16sHHIQ")
    yield from of_struct(192 * KIB, "<4sIII16sQII16sQII")
    regions = [of_struct(192 * KIB + 16 + index * 32, "<16sQII") for index in (0, 1)]
    for region in regions:
        offset = region[1].read(content)
        if content[offset : offset + 8] != b"metadata":
            yield from of_table(offset, 16, 8, "little")
            continue
        yield from of_struct(offset, "<8sHH")
        for index in range(5):
            item = of_struct(offset + 32 + index * 32, "<16sIIII")
            yield from item
            yield from of_table(offset + item[1].read(content), item[2].read(content) // 4, 4, "little")


def codec(content: bytes) -> Iterator[Place]:
    """Any number at its beginning or its end, where these have their headers, indexes and sums."""
    for offset in (*range(24), *range(len(content) - 48, len(content) - 8)):
        for width in (1, 2, 4):
            yield Place(offset, width, "little")


PLACES: dict[str, Callable[[bytes], Iterable[Place]]] = {
    "qcow2": qcow2,
    "vmdk": vmdk,
    "vdi": vdi,
    "vpc": vpc,
    "vhdx": vhdx,
}


def places_of(form: str, content: bytes) -> list[Place]:
    found = PLACES.get(form, codec)(content)
    return [place for place in found if 0 <= place.offset <= len(content) - place.width]


def seal(form: str, content: bytearray) -> None:
    """Make the checksums right again, so that readers get as far as the numbers behind them."""
    if form == "vpc":
        for offset in {0, max(len(content) - SECTOR, 0)}:
            if content[offset : offset + 8] == b"conectix" and len(content) >= offset + SECTOR:
                content[offset + 64 : offset + 68] = bytes(4)
                total = ~sum(content[offset : offset + SECTOR]) & 0xFFFF_FFFF
                content[offset + 64 : offset + 68] = total.to_bytes(4, "big")
    if form == "vhdx" and len(content) >= MIB:
        for offset, length in ((64 * KIB, 4 * KIB), (128 * KIB, 4 * KIB), (192 * KIB, 64 * KIB)):
            content[offset + 4 : offset + 8] = bytes(4)
            checksum = crc32c(bytes(content[offset : offset + length]))
            content[offset + 4 : offset + 8] = checksum.to_bytes(4, "little")
