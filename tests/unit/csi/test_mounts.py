"""What the driver reads in the kernel's table of mounts."""

import os

import pytest

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
def test_mountinfo(line: str, mount: Mount) -> None:
    assert parse_mountinfo(f"{line}\n") == [mount]
