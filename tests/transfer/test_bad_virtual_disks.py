"""Hostile and broken VDI, VHD and VHDX: one line that a user understands, nothing is called done, nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crafted import BAT_ID, METADATA_ID, Vdi, Vhd, Vhdx, log_entry
from tests.images import KIB, MIB
from tests.transfer.imports import imported
from tests.transfer.webserver import WebServer

PROCESS = "Unable to process data: "
CORRUPT = "Unable to convert source data to target format: the image is corrupt: "
TRUNCATED = "Unable to convert source data to target format: the image is truncated: it refers to the bytes at "
PARENT = "is invalid because it has invalid backing file "
NONE = 0xFFFFFFFF
SOMEBODY = bytes.fromhex("0403020106050807090a0b0c0d0e0f10")
LOG = b"the log's own id"
UNKNOWN = "be5a0000-0000-0000-0000-000000000001"
LOCATOR_ID = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"
PARAMETERS_ID, SIZE_ID = "caa16737-fa36-4d43-b3b6-33f0aa44e76b", "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
DISK_ID = "beca12ab-b2e6-4523-93ef-c309e000c746"
BAT, METADATA = (BAT_ID, 2 * MIB, MIB, 1), (METADATA_ID, 3 * MIB, MIB, 1)
PIB = 1 << 50

VDI = {
    "version 0.1": (Vdi(version=1), "invalid vdi image: version 0.1 is not known"),
    "version 2.0": (Vdi(version=2 << 16), "version 2.0 is not known"),
    "differencing": (Vdi(kind=4, parent=SOMEBODY), f"{PARENT}01020304-0506-0708-090a-0b0c0d0e0f10"),
    "linked": (Vdi(link=SOMEBODY), f"{PARENT}01020304-0506-0708-090a-0b0c0d0e0f10"),
    "undo": (Vdi(kind=3), f"{PARENT}(it is a differencing disk)"),
    "type 0": (Vdi(kind=0), "image type 0 is not known"),
    "sectors of 4096": (Vdi(sector_bytes=4096), "sectors of 4096 bytes are not supported"),
    "blocks of 0": (Vdi(block_bytes=0), "blocks of 0 bytes are not supported"),
    "blocks of 2 MiB": (Vdi(block_bytes=2 * MIB), "blocks of 2097152 bytes are not supported"),
    "blocks of 4 GiB - 1": (Vdi(block_bytes=NONE), "blocks of 4294967295 bytes are not supported"),
    "map within a sector": (Vdi(map_offset=513), "does not begin with a sector"),
    "data within a sector": (Vdi(data_offset=1025), "does not begin with a sector"),
    "too few blocks": (Vdi(blocks=3), "its 3 blocks do not hold the 4194304 bytes of the disk"),
    "16 EiB": (Vdi(size=(1 << 64) - 1), "do not hold the 18446744073709551615 bytes of the disk"),
    "1 PiB": (Vdi(blocks=1 << 30, size=PIB), "1073741824 blocks are too many"),
    "too many blocks for a small disk": (Vdi(blocks=1 << 29), "536870912 blocks are too many"),
    "512 TiB": (
        Vdi(blocks=(1 << 29) - 128, size=(1 << 49) - 128 * MIB),
        f"virtual image size {(1 << 49) - 128 * MIB} is larger than the reported available storage",
    ),
    "map behind the end": (Vdi(map_offset=1 << 30), f"{TRUNCATED}1073741824"),
    "block behind the end": (Vdi(map=(9, NONE, NONE, NONE)), f"{TRUNCATED}{1024 + 9 * MIB}"),
    "block far behind the end": (Vdi(map=(0xFFFFFFFD, NONE, NONE, NONE)), f"{TRUNCATED}{1024 + 0xFFFFFFFD * MIB}"),
    "data behind the end": (Vdi(data_offset=1 << 30), f"{TRUNCATED}1073741824"),
    "data within the header": (Vdi(data_offset=0, map=(1, 0, NONE, NONE), length=MIB), f"{TRUNCATED}1048576"),
    "cut off in the header": (Vdi(length=400), "could not process image header: it has 400 bytes"),
    "cut off before the map": (Vdi(length=512), f"{TRUNCATED}512"),
    "cut off in the map": (Vdi(length=520), f"{TRUNCATED}520"),
    "cut off before the data": (Vdi(length=1024), f"{TRUNCATED}1024"),
    "cut off in the data": (Vdi(length=1024 + 700 * KIB), f"{TRUNCATED}{1024 + 700 * KIB}"),
}

VHD = {
    "wrong checksum": (Vhd(checksum=1), "invalid vpc image: the checksum of its footer is wrong"),
    "differencing": (Vhd(kind=4, parent="C:\\disks\\base.vhd"), f"{PARENT}C:\\disks\\base.vhd"),
    "parent with a line break": (Vhd(kind=4, parent="a\nb\x1b"), f"{PARENT}a?b?"),
    "fixed, with the footer in front": (Vhd(kind=2), "a disk of type 2 does not begin with a footer"),
    "type 0": (Vhd(kind=0), "a disk of type 0 does not begin with a footer"),
    "2 TiB": (Vhd(size=2 << 40), "a virtual size of 2199023255552 bytes is more than 2040 GiB"),
    "16 EiB": (Vhd(size=(1 << 64) - 512), "bytes is more than 2040 GiB"),
    "2 TiB by its geometry": (
        Vhd(b"vpc ", geometry=(65535, 255, 255)),
        f"virtual image size {65535 * 255 * 255 * 512} is larger",
    ),
    "no header": (Vhd(magic=b"not this"), "invalid vpc image: there is no header at byte 512"),
    "header behind the end": (Vhd(header_offset=1 << 40), f"{TRUNCATED}1099511627776"),
    "header at the end of everything": (Vhd(header_offset=(1 << 64) - 1), f"{TRUNCATED}18446744073709551615"),
    "blocks of 0": (Vhd(block_bytes=0), "blocks of 0 bytes are absurd"),
    "blocks of 3 MiB": (Vhd(block_bytes=3 * MIB), "blocks of 3145728 bytes are absurd"),
    "blocks of 4 GiB - 1": (Vhd(block_bytes=NONE), "blocks of 4294967295 bytes are absurd"),
    "too few blocks": (Vhd(entries=3), "its 3 blocks do not hold the 4194304 bytes of the disk"),
    "too many blocks": (Vhd(entries=1 << 30), "a table of 1073741824 entries is absurd"),
    "table behind the end": (Vhd(table_offset=1 << 50), f"{TRUNCATED}{1 << 50}"),
    "block behind the end": (Vhd(table=(9999, NONE, NONE, NONE)), f"{TRUNCATED}{9999 * 512 + 512}"),
    "block far behind the end": (Vhd(table=(NONE - 1, NONE, NONE, NONE)), f"{TRUNCATED}{NONE * 512}"),
    "cut off in the footer": (Vhd(length=500), "could not process image header: it has 500 bytes"),
    "cut off before the header": (Vhd(length=512), f"{TRUNCATED}512"),
    "cut off in the header": (Vhd(length=900), f"{TRUNCATED}900"),
    "cut off before the table": (Vhd(length=1536), f"{TRUNCATED}1536"),
    "cut off in the table": (Vhd(length=1540), f"{TRUNCATED}1540"),
    "cut off in the bitmap": (Vhd(length=2100), f"{TRUNCATED}2560"),
    "cut off in the data": (Vhd(length=2560 + 700 * KIB), f"{TRUNCATED}{2560 + 700 * KIB}"),
}

VHDX = {
    "no headers": (Vhdx(damaged=(0, 1)), "invalid vhdx image: it has no valid header"),
    "no region table": (Vhdx(damaged=(2,)), "it has no valid region table"),
    "version 2": (Vhdx(version=2), "version 2 is not known"),
    "headers of the same age": (Vhdx(numbers=(8, 8), unlike=True), "have the same age but not the same content"),
    "log of version 1": (Vhdx(log_version=1), "version 1 of the log is not known"),
    "log to be replayed": (
        Vhdx(log_id=LOG, log=log_entry(LOG)),
        "was not closed properly: its log has changes that must be replayed",
    ),
    "log to be replayed, not at its beginning": (
        Vhdx(log_id=LOG, log=bytes(64 * KIB) + log_entry(LOG)),
        "was not closed properly: its log has changes that must be replayed",
    ),
    "log of an odd length": (Vhdx(log_id=LOG, log_length=4096), "a log of 4096 bytes at 1048576 is absurd"),
    "log at 0": (Vhdx(log_id=LOG, log_offset=0), "a log of 1048576 bytes at 0 is absurd"),
    "log within a MiB, with nothing in it": (Vhdx(log_offset=MIB + 1), "a log of 1048576 bytes at 1048577 is absurd"),
    "log over the metadata": (Vhdx(log_offset=3 * MIB), "two of its log, its metadata and its block allocation table"),
    "metadata over the allocation table": (
        Vhdx(regions=((BAT_ID, 2 * MIB, 2 * MIB, 1), METADATA)),
        "two of its log, its metadata and its block allocation table overlap",
    ),
    "log behind the end": (Vhdx(log_id=LOG, log_offset=1 << 40), "truncated: it refers to the bytes at 1099511627776"),
    "log of 4 GiB": (
        Vhdx(log_id=LOG, log_offset=1 << 30, log_length=0xFFF00000),
        "truncated: it refers to the bytes at 1073741824",
    ),
    "65535 regions": (Vhdx(region_count=65535), "a table of 65535 regions is absurd"),
    "no metadata": (Vhdx(regions=(BAT,)), "it has no metadata or no block allocation table"),
    "no block allocation table": (Vhdx(regions=(METADATA,)), "it has no metadata or no block allocation table"),
    "the same region twice": (Vhdx(regions=(BAT, METADATA, BAT)), "it has two regions of one kind"),
    "an unknown region": (Vhdx(regions=(BAT, METADATA, (UNKNOWN, 4 * MIB, MIB, 1))), f"it needs the region {UNKNOWN}"),
    "a region at 0": (Vhdx(regions=(BAT, (METADATA_ID, 0, MIB, 1))), "a region lies at 0, which is not at a whole MiB"),
    "a region within a MiB": (Vhdx(regions=(BAT, (METADATA_ID, 3 * MIB + 1, MIB, 1))), "which is not at a whole MiB"),
    "metadata behind the end": (
        Vhdx(regions=(BAT, (METADATA_ID, 1 << 40, MIB, 1))),
        "truncated: it refers to the bytes at 1099511627776",
    ),
    "metadata of no length": (
        Vhdx(regions=(BAT, (METADATA_ID, 3 * MIB, 512, 1))),
        "metadata of 512 bytes is too little",
    ),
    "metadata of 0 bytes": (Vhdx(regions=(BAT, (METADATA_ID, 3 * MIB, 0, 1))), "metadata of 0 bytes is too little"),
    "metadata that are none": (Vhdx(signature=b"metadatA"), "there is no metadata where it should be"),
    "no size": (Vhdx(without=SIZE_ID), f"the metadata {SIZE_ID} is missing"),
    "no block size": (Vhdx(without=PARAMETERS_ID), f"the metadata {PARAMETERS_ID} is missing"),
    "no disk id": (Vhdx(without=DISK_ID), f"the metadata {DISK_ID} is missing"),
    "a size of 4 bytes": (Vhdx(more={SIZE_ID: (6, b"1234")}), f"the metadata {SIZE_ID} is missing"),
    "unknown metadata": (Vhdx(more={UNKNOWN: (4, b"?")}), f"it needs the metadata {UNKNOWN}, which is not known"),
    "differencing": (Vhdx(bits=2), f"{PARENT}(it is a differencing disk)"),
    "with a parent": (Vhdx(more={LOCATOR_ID: (4, bytes(20))}), f"{PARENT}(it is a differencing disk)"),
    "blocks of 0": (Vhdx(block_bytes=0), "blocks of 0 bytes are absurd"),
    "blocks of 512 KiB": (Vhdx(block_bytes=512 * KIB), "blocks of 524288 bytes are absurd"),
    "blocks of 3 MiB": (Vhdx(block_bytes=3 * MIB), "blocks of 3145728 bytes are absurd"),
    "blocks of 512 MiB": (Vhdx(block_bytes=512 * MIB), "blocks of 536870912 bytes are absurd"),
    "sectors of 0": (Vhdx(sector_bytes=0), "sectors of 0 bytes do not exist"),
    "sectors of 1024": (Vhdx(sector_bytes=1024), "sectors of 1024 bytes do not exist"),
    "of size 0": (Vhdx(size=0), "invalid vhdx image: its disk has no size"),
    "no whole sectors": (Vhdx(sector_bytes=4096, size=4 * MIB - 512), "is not one of whole sectors"),
    "1 PiB": (Vhdx(size=PIB), f"a virtual size of {PIB} bytes is more than 64 TiB"),
    "64 TiB": (
        Vhdx(
            size=64 << 40,
            block_bytes=256 * MIB,
            regions=((BAT_ID, 4 * MIB, 4 * MIB, 1), METADATA),
        ),
        f"virtual image size {64 << 40} is larger than the reported available storage",
    ),
    "allocation table too small": (Vhdx(size=1 << 40), "allocation table is too small for 1099511627776 bytes"),
    "allocation table behind the end": (
        Vhdx(regions=((BAT_ID, 1 << 40, MIB, 1), METADATA)),
        "truncated: it refers to the bytes at 1099511627776",
    ),
    "state 4": (Vhdx(bat=(4 * MIB | 4, 0, 0, 0)), f"{CORRUPT}the block at 0 is in state 4"),
    "partially there without a parent": (
        Vhdx(bat=(0, 4 * MIB | 7, 0, 0)),
        f"{CORRUPT}the block at 1048576 is in state 7",
    ),
    "data at 0": (Vhdx(bat=(6, 0, 0, 0)), f"{CORRUPT}the block at 0 is in state 6 at 0"),
    "data in the allocation table": (
        Vhdx(bat=(0, 2 * MIB | 6, 0, 0)),
        f"{CORRUPT}the data of the block at 1048576 lies",
    ),
    "data in the metadata": (Vhdx(bat=(3 * MIB | 6, 0, 0, 0)), f"{CORRUPT}the data of the block at 0 lies at 3145728"),
    "data behind the end": (Vhdx(bat=(9 * MIB | 6, 0, 0, 0)), f"{TRUNCATED}9437184"),
    "data far behind the end": (Vhdx(bat=((1 << 64) - MIB | 6, 0, 0, 0)), f"{TRUNCATED}{(1 << 64) - MIB}"),
    "cut off in the signature": (Vhdx(length=100), "could not process image header: it has 100 bytes"),
    "cut off before the headers": (Vhdx(length=64 * KIB), "truncated: it refers to the bytes at 65536"),
    "cut off between the headers": (Vhdx(length=128 * KIB), "truncated: it refers to the bytes at 131072"),
    "cut off in the region table": (Vhdx(length=200 * KIB), "truncated: it refers to the bytes at 204800"),
    "cut off before the metadata": (Vhdx(length=3 * MIB), "truncated: it refers to the bytes at 3145728"),
    "cut off before the data": (Vhdx(length=4 * MIB), f"{TRUNCATED}4194304"),
    "cut off in the data": (Vhdx(length=5 * MIB - 4096), f"{TRUNCATED}{5 * MIB - 4096}"),
}
BROKEN = {
    f"{form}: {name}": row for form, rows in (("vdi", VDI), ("vhd", VHD), ("vhdx", VHDX)) for name, row in rows.items()
}


@pytest.mark.parametrize("way", ["", "stream/"], ids=["by range", "as a stream"])
@pytest.mark.parametrize("name", BROKEN)
def test_bad_disk(name: str, way: str, web: WebServer, out: Path) -> None:
    crafted, words = BROKEN[name]
    report = imported(web.url(crafted.write(web.files / "bad.img"), way), out)
    assert report.error == "permanent"
    assert words in report.message
    assert report.message.startswith(PROCESS)
    assert report.message.isprintable()
    assert list(out.parent.iterdir()) == []
