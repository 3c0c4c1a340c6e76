"""What the driver reads of what others wrote: mountinfo, and the superblock of an ext4."""

import os
import struct

import pytest

from devcluster.csi.ext4 import size_of
from devcluster.csi.mounts import Mount, parse_mountinfo


@pytest.mark.parametrize(
    ("line", "mount"),
    [
        (
            "36 35 7:3 / /var/lib/kubelet/globalmount rw,relatime shared:1 - ext4 /dev/loop3 rw",
            Mount(os.makedev(7, 3), "/", "/var/lib/kubelet/globalmount"),
        ),
        (
            "40 35 0:6 /loop7 /publish/pod ro,nosuid - devtmpfs devtmpfs rw,size=4k",
            Mount(os.makedev(0, 6), "/loop7", "/publish/pod"),
        ),
        (
            r"41 35 259:300 / /mnt/with\040space\011and\134more rw - ext4 /dev/nvme0n1 rw",
            Mount(os.makedev(259, 300), "/", "/mnt/with space\tand\\more"),
        ),
    ],
    ids=["filesystem", "device node", "escapes"],
)
def test_mountinfo(line, mount):
    assert parse_mountinfo(f"{line}\n") == [mount]


def superblock(blocks, log_block_kib, *, magic=0xEF53, incompatible=0, blocks_high=0):
    head = bytearray(2048)
    for offset, layout, value in [
        (0x04, "<I", blocks),
        (0x18, "<I", log_block_kib),
        (0x38, "<H", magic),
        (0x60, "<I", incompatible),
        (0x150, "<I", blocks_high),
    ]:
        struct.pack_into(layout, head, 1024 + offset, value)
    return bytes(head)


@pytest.mark.parametrize(
    ("head", "size_bytes"),
    [
        (superblock(16384, 2), 64 << 20),
        (superblock(65536, 0), 64 << 20),
        (superblock(0, 2, incompatible=0x80, blocks_high=1), 16 << 40),
        # Without the feature "64bit" the upper half means nothing.
        (superblock(16384, 2, blocks_high=1), 64 << 20),
        (superblock(16384, 2, magic=0), 0),
        (bytes(2048), 0),
    ],
)
def test_size_of_ext4(head, size_bytes):
    assert size_of(head) == size_bytes
