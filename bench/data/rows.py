"""What is measured: the rows of the table, each with the plain tools that a user would chain and a machine's limits.

The limit of a row is the largest of three parts, each taken alone: to fetch, to decode with the best tool on all cores,
to write the data sparsely onto the same target and fsync it. Where several tools could be the best, the fastest counts.

Commands are for a shell. {url} and {image} are the image on the server and on disk, {raw} is the disk that is in it,
{out} where the import goes, {scratch} a file beside it, {size} the bytes of the disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.data.server import CAP_BYTES_PER_S

FETCH = ("curl -sf -o /dev/null {url}",)
WRITE = {
    "file": (
        "cp --sparse=auto --reflink=never {raw} {out} && sync {out}",
        "qemu-img convert -m 16 -W -f raw -O raw {raw} {out} && sync {out}",
    ),
    "block": (
        "dd if={raw} of={out} bs=1M conv=sparse,notrunc,fsync status=none",
        "qemu-img convert -n --target-is-zero -m 16 -W -f raw -O raw {raw} {out} && sync {out}",
    ),
}
"""By the kind of target, which is empty at first, and so reads as zeros."""

DOWNLOAD = "curl -sf -o {scratch} {url}"


@dataclass(frozen=True)
class Row:
    title: str
    image: str
    plain: str
    decode: tuple[str, ...] = ()
    asked_of_plain: float = 0
    """At most so many times as long as the plain tools; 0: nothing is asked."""
    asked_of_limit: float = 0
    way: str = ""
    """Of the web server."""
    uncapped: str = ""
    """Title of the row whose time stands for the limit."""


def converted(driver: str, source: str = "{scratch}") -> str:
    return f"qemu-img convert -f {driver} -O raw {source} {{out}} && sync {{out}}"


def plain(driver: str, unpack: str = "") -> str:
    """Fetch, unpack, convert, fsync: one after the other, as one types it."""
    if not unpack:
        return f"{DOWNLOAD} && {converted(driver)}"
    return f"{DOWNLOAD} && {unpack} {{scratch}} > {{scratch}}.unpacked && {converted(driver, '{scratch}.unpacked')}"


def read_by_qemu(driver: str) -> tuple[str, ...]:
    """QEMU decodes with all its threads and keeps nothing."""
    return (f"qemu-img convert -n -m 16 -W -f {driver} --target-image-opts {{image}} driver=null-co,size={{size}}",)


def capped(rows: Iterable[Row]) -> list[Row]:
    title = f"{{}}, {CAP_BYTES_PER_S // 10**6} MB/s a connection"
    return [
        Row(title.format(row.title), row.image, row.plain, (), 0.2, 1.25, way="capped/", uncapped=row.title)
        for row in rows
    ]


GZIP = ("igzip -d -c {image} > /dev/null", "rapidgzip -d -c {image} > /dev/null", "pigz -d -c {image} > /dev/null")
ZSTD = ("zstd -q -d -T0 -c {image} > /dev/null",)
XZ = ("xz -d -T0 -c {image} > /dev/null",)

FIRST = [
    Row("raw", "raw", plain("raw"), (), 0.5, 1.25),
    Row("qcow2", "qcow2", plain("qcow2"), read_by_qemu("qcow2"), 0.75, 1.25),
    Row("qcow2 compressed (zlib)", "qcow2-zlib", plain("qcow2"), read_by_qemu("qcow2"), 0.35, 1.25),
    Row("qcow2 compressed (zstd)", "qcow2-zstd", plain("qcow2"), read_by_qemu("qcow2"), 0.6, 1.25),
]
ROWS = [
    *FIRST,
    Row("raw.gz", "raw.gz", plain("raw", "gzip -d -c"), GZIP, 0.2, 1.25),
    Row("raw.zst", "raw.zst", plain("raw", "zstd -q -d -c"), ZSTD, 0.6, 1.25),
    Row("qcow2.xz, one block", "qcow2.xz", plain("qcow2", "xz -d -c"), XZ, 0.95, 1.25),
    Row("qcow2.xz, many blocks", "qcow2.blocks.xz", plain("qcow2", "xz -d -c"), XZ, 0.55, 1.25),
    Row("vmdk streamOptimized", "vmdk-stream", plain("vmdk"), read_by_qemu("vmdk"), 0.5, 1.25),
    Row("vdi", "vdi", plain("vdi"), read_by_qemu("vdi"), 0.75, 1.5),
    Row("vhd", "vhd", plain("vpc"), read_by_qemu("vpc"), 0.75, 1.5),
    Row("vhdx", "vhdx", plain("vhdx"), read_by_qemu("vhdx"), 0.75, 1.5),
    Row("vmdk sparse", "vmdk-sparse", plain("vmdk"), read_by_qemu("vmdk"), 0.75, 1.5),
    *capped(FIRST),
]


def chosen(words: str) -> list[Row]:
    """Rows of these images, or whose title begins with a word that is no image; commas between, all rows for none."""
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    images = {row.image for row in ROWS}

    def is_wanted(row: Row) -> bool:
        return any(word == row.image if word in images else row.title.startswith(word) for word in wanted)

    found = [row for row in ROWS if not wanted or is_wanted(row)]
    if not found:
        raise SystemExit(f"no row begins with {words!r}; there are: {', '.join(row.title for row in ROWS)}")
    return found
