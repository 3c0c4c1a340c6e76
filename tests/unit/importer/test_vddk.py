"""A disk of VMware: the command line of nbdkit, what it says, which disk is meant, and which parts of it, as tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from importer_image.job import Source
from importer_image.source.nbd.protocol import Run
from importer_image.source.vddk.command import Opening, command
from importer_image.source.vddk.debug_log import DebugLog
from importer_image.source.vddk.disk import allocated, clipped, with_zeros
from importer_image.source.vddk.inventory import DiskFile, disk_with_file, disk_with_key, is_change_id, snapshots
from importer_image.terminal import job_of, parser

OPENING = Opening("vcenter.example", "me", "A1:B2", "vm-7", "[ds] vm/vm.vmdk")


def test_command():
    assert command(replace(OPENING, snapshot="snapshot-9", config_file="/vddk-args/vddk-config-file"), "/tmp/x", 3) == [
        *("nbdkit", "--foreground", "--readonly", "--exit-with-parent"),
        *("-U", "/tmp/x/nbd.sock", "--pidfile", "/tmp/x/nbdkit.pid", "vddk"),
        *("libdir=/opt/vmware-vix-disklib-distrib", "server=vcenter.example", "user=me", "password=-3"),
        *("thumbprint=A1:B2", "vm=moref=vm-7", "snapshot=snapshot-9", "transports=file:nbdssl:nbd"),
        *("--verbose", "-D", "nbdkit.backend.datapath=0", "-D", "vddk.datapath=0", "-D", "vddk.stats=1"),
        *("config=/vddk-args/vddk-config-file", "file=[ds] vm/vm.vmdk"),
    ]


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        # What the reference's test plugin counts (spec 5.4).
        ({}, 7),
        ({"snapshot": "snapshot-9"}, 9),
        ({"config_file": "/c"}, 8),
    ],
)
def test_test_plugins_count_the_parameters(settings, count):
    words = command(replace(OPENING, plugin="/opt/testing/libvddk-test-plugin.so", **settings), "/tmp/x", 3)
    after = words[words.index("/opt/testing/libvddk-test-plugin.so") + 1 :]
    # The value after -D is a debug flag, not a parameter.
    flags = [word for before, word in pairwise(after) if before == "-D"]
    assert len([word for word in after if "=" in word and word not in flags]) == count


@pytest.mark.parametrize(
    ("lines", "info"),
    [
        (["nbdkit: debug: VMware VixDiskLib (7.0.3) Release build-18705163"], {"Version": "7.0.3"}),
        (
            ["nbdkit: vddk[1]: debug: DISKLIB-LINK  : Opened 'vpxa-nfcssl://[ds] vm/vm.vmdk@esx7.example:902' (0x1e)"],
            {"Host": "esx7.example"},
        ),
        (["nbdkit: debug: DISKLIB-LINK : Opened 'vpxa-nfcssl://[ds] a@b/vm.vmdk@10.1.2.3:902' (0xe): custom"],
         {"Host": "10.1.2.3"}),
        (
            [
                "VMware VixDiskLib (8.0.2) Release build-22388865",
                "DISKLIB-LINK : Opened 'vpxa-nfcssl://[ds] vm/vm.vmdk@old:902'",
                "DISKLIB-LINK : Opened 'vpxa-nfcssl://[ds] vm/vm.vmdk@new:902'",
            ],
            {"Version": "8.0.2", "Host": "new"},
        ),
        (["nbdkit: debug: VixDiskLib: Opened something", "DISKLIB-LINK : Opened 'local.vmdk'", ""], {}),
    ],
)  # fmt: skip
def test_info(lines, info):
    log = DebugLog()
    for line in lines:
        log.heard(line)
    assert log.info == info


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("nbdkit: error: /lib/libvixDiskLib.so: cannot open", "/lib/libvixDiskLib.so: cannot open"),
        ("nbdkit: vddk[1]: error: VixDiskLib_ConnectEx: Cannot login", "VixDiskLib_ConnectEx: Cannot login"),
        ("nbdkit: vddk[1]: debug: error: no", ""),
        ("nbdkit: vddk[1]: error: VDDK_PhoneHome: no config", ""),
        ("nbdkit: error:", ""),
    ],
)
def test_errors(line, error):
    log = DebugLog()
    assert log.heard(line) == error
    assert log.errors == error


def test_the_last_errors_are_kept_each_once():
    log = DebugLog()
    for number in (1, 1, 2, 3, 3, 4):
        log.heard(f"nbdkit: error: {number}")
    assert log.errors == "2; 3; 4"


def test_at_a_terminal():
    line = "vddk+https://me:secret@vcenter/sdk disk.img --uuid 52-26 --thumbprint A1:B2 --vddk /vddk --checkpoint s2"
    options = parser().parse_args([*line.split(), "--previous-checkpoint", "s1", "--backing-file", "[ds] vm/vm.vmdk"])
    assert job_of(options).source == Source(
        kind="vddk",
        url="https://me:secret@vcenter/sdk",
        uuid="52-26",
        backing_file="[ds] vm/vm.vmdk",
        thumbprint="A1:B2",
        library_dir="/vddk",
        current_checkpoint="s2",
        previous_checkpoint="s1",
    )


def device(key, *files, change_id="", size=1 << 20):
    backing = None
    for file in reversed(files):
        backing = SimpleNamespace(fileName=file, parent=backing, changeId=change_id)
    return SimpleNamespace(key=key, backing=backing, capacityInBytes=size)


DEVICES = [
    SimpleNamespace(key=1, backing=None),
    SimpleNamespace(key=2, backing=SimpleNamespace(fileName="[iso] debian.iso")),
    device(2000, "[ds] vm/vm-000002.vmdk", "[ds] vm/vm-000001.vmdk", "[ds] vm/vm.vmdk", change_id="52/7"),
    device(2001, "[ds] vm/data.vmdk", size=5 << 20),
]
SYSTEM = DiskFile(2000, "[ds] vm/vm-000002.vmdk", 1 << 20, "52/7")
DATA = DiskFile(2001, "[ds] vm/data.vmdk", 5 << 20, "")


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("[ds] vm/vm.vmdk", SYSTEM),
        ("[ds] vm/vm-000001.vmdk", SYSTEM),
        ("[ds] vm/vm-000002.vmdk", SYSTEM),
        ("[ds] vm/data.vmdk", DATA),
        ("[iso] debian.iso", None),
        ("vm.vmdk", None),
        ("", None),
    ],
)
def test_disk_with_file(file, found):
    assert disk_with_file(DEVICES, file) == found


@pytest.mark.parametrize(("key", "found"), [(2000, SYSTEM), (2001, DATA), (2, None), (3, None)])
def test_disk_with_key(key, found):
    assert disk_with_key(DEVICES, key) == found


def test_snapshots_of_a_tree():
    def tree(name, *children):
        return SimpleNamespace(snapshot=name, childSnapshotList=list(children) or None)

    assert list(snapshots([tree("a", tree("b", tree("c")), tree("d")), tree("e")])) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("checkpoint", "answer"), [("52 3c ec 11 9e 2c 4c 3d-87 4a c3 4e 85 f2 ea 95/4", True), ("snapshot-42", False)]
)
def test_is_change_id(checkpoint, answer):
    assert is_change_id(checkpoint) is answer


@pytest.mark.parametrize(
    ("areas", "found"),
    [
        ([], []),
        ([(0, 4096)], [(0, 4096)]),
        ([(100, 10)], [(0, 512)]),
        ([(512, 513)], [(512, 1024)]),
        ([(4096, 4096), (0, 512)], [(0, 512), (4096, 4096)]),
        ([(0, 1024), (512, 1024)], [(0, 1536)]),
        ([(0, 1024), (1024, 512)], [(0, 1536)]),
        ([(0, 2048), (512, 512), (4096, 512)], [(0, 2048), (4096, 512)]),
        ([(9000, 5000)], [(8704, 1536)]),
        ([(10_240, 512), (20_000, 512)], []),
    ],
)
def test_clipped(areas, found):
    assert clipped(areas, 10_240) == found


class Map:
    """What a connection says is allocated: `.` reads as zeros, `x` does not, 10 bytes and a run of its own each."""

    def __init__(self, text):
        self._text = text

    def runs(self, offset, length):
        return [Run(10, self._text[at // 10] == ".") for at in range(offset, offset + length, 10)]


@pytest.mark.parametrize(
    ("text", "areas", "found"),
    [
        ("xxxx", [(0, 40)], [(0, 40)]),
        ("....", [(0, 40)], []),
        (".xx.", [(0, 40)], [(10, 20)]),
        ("x..x", [(0, 40)], [(0, 10), (30, 10)]),
        ("x..x", [(0, 20), (20, 20)], [(0, 10), (30, 10)]),
        ("xxxx", [(0, 10), (20, 10)], [(0, 10), (20, 10)]),
    ],
)
def test_allocated(text, areas, found):
    assert list(allocated(Map(text), areas)) == found


@pytest.mark.parametrize(
    ("areas", "data", "extents"),
    [
        # area      offset of data   -> extents; 0 stands for zeros
        ([(0, 40)], [(0, 40)], [(0, 40, 1)]),
        ([(0, 40)], [], [(0, 40, 0)]),
        ([(0, 40)], [(0, 10), (10, 10), (30, 10)], [(0, 10, 1), (10, 10, 1), (20, 10, 0), (30, 10, 1)]),
        ([(0, 40)], [(10, 10)], [(0, 10, 0), (10, 10, 1), (20, 20, 0)]),
        ([(0, 10), (30, 10)], [(30, 5)], [(0, 10, 0), (30, 5, 1), (35, 5, 0)]),
        ([(0, 10), (30, 10), (50, 10)], [(5, 5)], [(0, 5, 0), (5, 5, 1), (30, 10, 0), (50, 10, 0)]),
        ([(0, 10), (20, 10), (40, 10)], [(40, 10)], [(0, 10, 0), (20, 10, 0), (40, 10, 1)]),
        ([], [], []),
    ],
)
def test_with_zeros(areas, data, extents):
    slices = [(offset, memoryview(bytes(length))) for offset, length in data]
    found = [(each.offset, each.length, int(each.data is not None)) for each in with_zeros(slices, areas)]
    assert found == extents
