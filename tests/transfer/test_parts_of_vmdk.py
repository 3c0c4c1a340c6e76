"""Files around a VMDK that users take for the disk: each is refused with what to serve instead."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import pytest

from importer_image.format.vmdk.descriptor import WHOLE
from tests.transfer.imports import imported
from tests.transfer.webserver import WebServer
from tests.vmdk import write

PROCESS = "Unable to process data: "
FIRST = ("# Disk DescriptorFile", "version=1", "CID=1", "parentCID=ffffffff")


def description(kind: str, *extents: str, parent: str = "") -> bytes:
    """A file of its own, mostly shorter than a sector."""
    lines = (*FIRST, f'createType="{kind}"', f'parentFileNameHint="{parent}"', *extents)
    return "\n".join(lines).encode()


SPLIT = [f'RW 4192256 SPARSE "disk-s00{number}.vmdk"' for number in (1, 2, 3)]
ALONE = {
    "flat": (
        description("monolithicFlat", 'RW 8 FLAT "a b-flat.vmdk" 0'),
        "is in the file a b-flat.vmdk",
        "Serve a b-flat.vmdk instead: that is the disk itself, as a raw image.",
    ),
    "on ESX": (
        description("vmfs", 'RW 8 VMFS "x-flat.vmdk"'),
        "is in the file x-flat.vmdk",
        "Serve x-flat.vmdk instead: that is the disk itself, as a raw image.",
    ),
    "of a stranger": (
        description("vmfs", 'RW 8 VMFS "a\x07\u202eb"'),
        "is in the file a??b",
        "Serve a??b instead: that is the disk itself, as a raw image.",
    ),
    "split": (description("twoGbMaxExtentSparse", *SPLIT), "is in 3 files", WHOLE),
    "one file": (description("monolithicSparse", 'RW 8 SPARSE "s.vmdk"'), "is in the file s.vmdk", WHOLE),
    "a device": (description("vmfsRawDeviceMap", 'RW 8 VMFSRDM "r.vmdk"'), "is a device of its host", WHOLE),
    "of nothing": (description("custom"), "is in other files", WHOLE),
}


@pytest.mark.parametrize("name", ALONE)
def test_description_alone(name: str, web: WebServer, out: Path) -> None:
    content, words, hint = ALONE[name]
    url = web.url(write(web.files / "alone.vmdk", content))
    report = imported(url, out)
    assert report.message == (
        f"{PROCESS}Invalid format vmdk for image {url}: it only describes a disk whose data {words}"
    )
    assert report.hint == hint


def test_description_of_changes(web: WebServer, out: Path) -> None:
    content = description("vmfsSparse", 'RW 8 VMFSSPARSE "x-delta.vmdk"', parent="x.vmdk")
    content = content.replace(b"ffffffff", b"12345678")
    report = imported(web.url(write(web.files / "alone.vmdk", content)), out)
    assert report.error == "permanent"
    assert report.message.endswith("is invalid because it has invalid backing file x.vmdk")


@pytest.mark.parametrize("magic", [b"COWD\1\0\0\0", struct.pack("<QQ", 0xCAFEBABE, 0x2_0000_0001)])
def test_parts_of_an_esx_disk(magic: bytes, web: WebServer, out: Path) -> None:
    url = web.url(write(web.files / "part.vmdk", magic.ljust(4096, b"\1")))
    report = imported(url, out)
    assert report.message == f"{PROCESS}Invalid format vmdk for image {url}"
    assert "clone or export the whole disk there" in report.hint


def test_appliance(web: WebServer, out: Path) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for name, content in (("vm.ovf", b"<Envelope/>"), ("vm-disk1.vmdk", bytes(4096))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    url = web.url(write(web.files / "vm.ova", memory.getvalue()))
    report = imported(url, out)
    assert report.message == f"{PROCESS}Invalid format ova for image {url}"
    assert report.hint == "This is an appliance (OVA): unpack it with tar -xf, and serve the .vmdk file inside."
