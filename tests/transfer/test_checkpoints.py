"""Warm migration from oVirt: one checkpoint after the other onto the same disk, which then is the last one."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from importer_image.job import Target
from tests import images
from tests.images import MIB, identical, qemu_img, qemu_io
from tests.transfer import engine as stand_in
from tests.transfer.devices import loop_device, needs_root
from tests.transfer.imageio import Daemon
from tests.transfer.ovirt import At, Ovirt

CHECKPOINTS = ("first", "second", "third")


@pytest.fixture
def machine(ovirt: Ovirt) -> Ovirt:
    """A disk with three checkpoints, each with data, zeros and discarded parts over the one before."""
    first = images.disk(ovirt.volumes / CHECKPOINTS[0], 12 * MIB, seed=3)
    ovirt.engine.disks["disk"] = stand_in.Disk(ovirt.volumes, first.name, CHECKPOINTS[-1])
    return ovirt


def changed(machine: Ovirt, previous: str, current: str, *options: str) -> Path:
    """A volume over another one, with the name that oVirt gives it: that of the file beside it."""
    form = "raw" if previous == CHECKPOINTS[0] else "qcow2"
    path = machine.volumes / current
    qemu_img("create", "-q", "-f", "qcow2", "-F", form, "-b", previous, "-o", ",".join(options) or "compat=1.1", path)
    qemu_io(path, *WRITTEN[current])
    return path


WRITTEN = {
    "second": ("write -P 7 64k 4k", "write -P 9 3M 700k", "write -z 1M 1M", "discard 5M 1M", "write -P 1 12287k 1k"),
    "third": ("write -P 3 66k 512", "write -z 3100k 64k", "write -P 5 1500k 3k", "discard 8M 2M"),
}


@pytest.mark.parametrize(
    ("onto", "options"),
    [
        ("file", ("compat=1.1",)),
        ("file", ("cluster_size=4k",)),
        ("file", ("extended_l2=on", "cluster_size=128k")),
        pytest.param("device", ("cluster_size=2M",), marks=needs_root),
    ],
)
def test_checkpoints(onto: str, options: tuple[str, ...], machine: Ovirt, out: Path) -> None:
    backing = out.with_name("backing")
    backing.write_bytes(b"left over" * (16 * MIB // 9) + bytes(16 * MIB % 9))
    with loop_device(backing) if onto == "device" else nullcontext("") as device:
        target = Target(device, "Block", 0) if device else Target(str(out.parent), "Filesystem", 0, file=out.name)
        previous = ""
        for checkpoint in CHECKPOINTS:
            path = machine.volumes / checkpoint
            if previous:
                path = changed(machine, previous, checkpoint, *options)
            report = machine.imported(
                "disk", out, target=target, current_checkpoint=checkpoint, previous_checkpoint=previous,
                final_checkpoint=checkpoint == CHECKPOINTS[-1],
            )  # fmt: skip
            assert report.succeeded, report.message
            assert report.format == ("qcow2" if previous else "raw")
            assert same(path, Path(device or out))
            previous = checkpoint
    assert machine.engine.asked == ["begin", "finalize"] * 3


def same(volume: Path, disk: Path) -> bool:
    """Whether the beginning of a file or device holds what QEMU reads from a volume and those below."""
    whole = volume.with_suffix(".whole")
    qemu_img("convert", "-f", images.image_format(volume), "-O", "raw", volume, whole)
    content = whole.read_bytes()
    with disk.open("rb") as file:
        return file.read(len(content)) == content


def test_a_delta_is_small(machine: Ovirt, out: Path) -> None:
    assert machine.imported("disk", out, current_checkpoint="first").succeeded
    changed(machine, "first", "second")
    report = machine.imported("disk", out, current_checkpoint="second", previous_checkpoint="first")
    assert report.succeeded, report.message
    assert report.written_bytes <= MIB
    assert report.source_bytes < 2 * MIB


@pytest.mark.parametrize(
    ("there", "current", "previous", "message"),
    [
        # target   checkpoints           what the user reads
        (False, "second", "first",       "Unable to process data: Disk image does not exist, cannot apply deltas"),
        (True,  "third",  "first",       "backing file 'second' does not match expected checkpoint 'first', unable to"),
        (True,  "second", "/etc/passwd", "backing file 'first' does not match expected checkpoint '/etc/passwd', una"),
        (True,  "first",  "second",      "invalid qcow2 image: it has no header"),
    ],
)  # fmt: skip
def test_deltas_that_do_not_fit(
    there: bool, current: str, previous: str, message: str, machine: Ovirt, out: Path
) -> None:
    changed(machine, "first", "second")
    changed(machine, "second", "third")
    if there:
        out.write_bytes(b"what an earlier checkpoint left")
    report = machine.imported("disk", out, current_checkpoint=current, previous_checkpoint=previous)
    assert (report.error, out.exists()) == ("permanent", there)
    assert message in report.message
    assert machine.engine.asked == (["begin", "cancel"] if there else [])
    assert not there or out.read_bytes() == b"what an earlier checkpoint left"


def test_a_delta_that_broke_off_is_applied_again(machine: Ovirt, daemon: Daemon, out: Path) -> None:
    assert machine.imported("disk", out, current_checkpoint="first").succeeded
    path = changed(machine, "first", "second", "cluster_size=4k")
    qemu_io(path, "write -P 77 6M 5M")
    checkpoints: dict[str, Any] = {"current_checkpoint": "second", "previous_checkpoint": "first"}
    report = machine.imported("disk", out, progress=At(MIB, daemon.restart), **checkpoints)
    assert report.error == "transient"
    assert out.stat().st_size == 12 * MIB
    assert machine.imported("disk", out, **checkpoints).succeeded
    assert identical(path, out)
