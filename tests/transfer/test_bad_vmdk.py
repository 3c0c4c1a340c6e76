"""Hostile, broken and unfit VMDK: one line that a user understands, nothing is called done, nothing is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.transfer.imports import refused
from tests.transfer.webserver import WebServer
from tests.vmdk import (
    AT_END,
    SECTOR,
    Sparse,
    write,
)

PROCESS = "Unable to process data: "
CONVERT = f"{PROCESS}Unable to convert source data to target format: "
CORRUPT = f"{CONVERT}the image is corrupt: "
INVALID = f"{PROCESS}invalid vmdk image: "
PLAIN = Sparse().head
TEXT = Sparse().description


def head(**fields: object) -> Sparse:
    return Sparse(head=replace(PLAIN, **fields))  # type: ignore[arg-type]


def described(**changes: str) -> Sparse:
    """Other settings in the description, or more."""
    lines = [line for line in TEXT.splitlines() if line.partition("=")[0] not in changes]
    return Sparse(description="\n".join([*lines, *(f"{key}={value}" for key, value in changes.items())]))


SPARSE = {
    "version 0": (head(version=0), f"{INVALID}vmdk version 0 is not known"),
    "version 4": (head(version=4), f"{INVALID}vmdk version 4 is not known"),
    "transferred as text": (head(newlines=b"\n \n\n"), f"{INVALID}it was damaged on its way"),
    "grains of 0": (head(grain=0), f"{INVALID}grains of 0 sectors are absurd"),
    "grains of 3": (head(grain=3), f"{INVALID}grains of 3 sectors are absurd"),
    "grains of 2 GiB": (head(grain=1 << 22), f"{INVALID}grains of 4194304 sectors are absurd"),
    "grains of 2^63": (head(grain=1 << 63), f"{INVALID}grains of {1 << 63} sectors are absurd"),
    "tables of 0": (head(table_entries=0), f"{INVALID}grain tables without entries are absurd"),
    "tables of 2^31": (head(table_entries=1 << 31), f"{INVALID}grain tables of 2147483648 entries are absurd"),
    "size 0": (head(capacity=0), f"{INVALID}its disk has no size"),
    "1 PiB": (head(capacity=1 << 41), f"{INVALID}a grain directory of 33554432 entries is absurd"),
    "1 PiB in large grains": (
        head(capacity=1 << 41, grain=1 << 21),
        f"{PROCESS}Unable to convert source data to target format: virtual image size {1 << 50} is larger",
    ),
    "2^64 sectors": (head(capacity=(1 << 64) - 1), f"{INVALID}a virtual size of {((1 << 64) - 1) * 512} bytes"),
    "no directory": (head(directory=0), f"{INVALID}it has no grain directory"),
    "directory at the end, not compressed": (head(directory=AT_END), f"{INVALID}only compressed images may have"),
    "directory behind the end": (head(directory=1 << 40), f"truncated: it refers to the bytes at {1 << 49}"),
    "unknown compression": (head(compression=2), f"{INVALID}compression 2 is not known"),
    "compressed without markers": (head(compression=1), f"{INVALID}its compressed grains have no markers"),
    "table behind the end": (Sparse(directory=(1 << 31,)), f"truncated: it refers to the bytes at {1 << 40}"),
    "grain behind the end": (Sparse(table=(1 << 31,)), f"truncated: it refers to the bytes at {1 << 40}"),
    "cut off in the header": (Sparse(length=500), "could not process image header: it has 500 bytes"),
    "cut off in the description": (Sparse(length=SECTOR), "is one of several files that are a disk together"),
    "cut off before the directory": (Sparse(length=21 * SECTOR), "truncated: it refers to the bytes at 10752"),
    "cut off in the table": (Sparse(length=22 * SECTOR + 4), "truncated: it refers to the bytes at 11268"),
    "cut off before the grain": (Sparse(length=128 * SECTOR), "truncated: it refers to the bytes at 65536"),
    "cut off in the grain": (Sparse(length=130 * SECTOR), "truncated: it refers to the bytes at 66560"),
    "no description": (Sparse(description=""), "is one of several files that are a disk together"),
    "description elsewhere": (head(descriptor=1 << 50), f"{INVALID}its description, 10240 bytes at"),
    "description without end": (head(descriptor_sectors=1 << 50), f"{INVALID}its description, {1 << 59} bytes at 512"),
    "two extents": (
        Sparse(description=TEXT.replace("\nRW ", '\nRW 8191 FLAT "/etc/passwd"\nRW ')),
        "is one of 2 files that are a disk together",
    ),
    "changes to a parent": (
        described(parentCID="1234abcd", parentFileNameHint='"/vmfs/base.vmdk"'),
        "is invalid because it has invalid backing file /vmfs/base.vmdk",
    ),
    "changes to a parent without a name": (described(parentCID="0"), "has invalid backing file of an unknown name"),
    "parent that is not text": (
        described(parentCID="0", parentFileNameHint='"a\x1b[31m\tb"'),
        "has invalid backing file a?[31m?b",
    ),
    "encrypted by Workstation": (described(**{"encryption.keySafe": '"vmware:key/list/"'}), "is encrypted"),
    "encrypted by vSphere": (described(**{"ddb.iofilters": '"vmwarevmcrypt"'}), "is encrypted"),
}


@pytest.mark.parametrize("way", ["", "stream/"], ids=["by range", "as a stream"])
@pytest.mark.parametrize("name", SPARSE)
def test_bad_sparse_file(name: str, way: str, web: WebServer, out: Path) -> None:
    sparse, words = SPARSE[name]
    refused(web.url(write(web.files / "bad.vmdk", sparse.content()), way), out, words)
