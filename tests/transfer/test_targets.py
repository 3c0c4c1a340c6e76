"""What is on the volume afterwards: size, holes, mode, zeros; and what happens when it does not fit."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from importer_image.job import Job, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress
from importer_image.target import kernel
from tests.images import MIB, disk, identical, qcow2, squeezed
from tests.transfer.devices import filesystem, loop_device, mounted, needs_root
from tests.transfer.faulty import Fault, faulty
from tests.transfer.imports import imported, onto_device
from tests.transfer.webserver import WebServer


@pytest.fixture(scope="module")
def raw(web: WebServer) -> Path:
    """6 MiB, half of them empty."""
    path = web.files / "sparse.raw"
    disk(path, 3 * MIB)
    os.truncate(path, 6 * MIB)
    return path


@pytest.fixture(scope="module")
def image(web: WebServer, raw: Path) -> Path:
    return qcow2(raw, web.files / "sparse.qcow2")


DEVICE_BYTES = 8 * MIB


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.mark.parametrize("way", ["", "stream/"])
@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_file_is_sparse_and_for_the_group(
    form: str, way: str, web: WebServer, raw: Path, image: Path, out: Path
) -> None:
    path = raw if form == "raw" else image
    report = imported(web.url(path, way), out)
    assert report.virtual_size_bytes == out.stat().st_size == 6 * MIB
    assert report.written_bytes <= 3 * MIB
    assert allocated(out) <= 3 * MIB
    assert out.stat().st_mode & 0o777 == 0o660
    assert out.read_bytes() == raw.read_bytes()


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_preallocated_file_has_all_its_storage(form: str, web: WebServer, raw: Path, image: Path, out: Path) -> None:
    path = raw if form == "raw" else image
    report = imported(web.url(path), out, target={"preallocate": True, "size_bytes": 11 * MIB})
    assert report.preallocation_applied
    assert allocated(out) >= out.stat().st_size == 11 * MIB
    assert out.read_bytes() == raw.read_bytes() + bytes(5 * MIB)


@needs_root
@pytest.mark.parametrize("packed", [False, True], ids=["known size", "unknown size"])
def test_preallocation_by_hand(packed: bool, web: WebServer, raw: Path, tmp_path: Path) -> None:
    """Where the filesystem cannot allocate (nor say how large it is), zeros are written."""
    path = squeezed(raw, "gzip", "-1") if packed else raw
    with mounted("ramfs", tmp_path / "ram") as ram:
        out = ram / "disk.img"
        report = imported(web.url(path), out, target={"preallocate": True, "size_bytes": 10 * MIB})
        assert report.preallocation_applied
        assert report.written_bytes == out.stat().st_size == 10 * MIB
        assert out.read_bytes() == raw.read_bytes() + bytes(4 * MIB)


@pytest.mark.parametrize(
    ("virtual", "requested", "overhead", "size"),
    [
        # image   asked for   overhead   disk
        (6 * MIB, 0, "0.06", 6 * MIB),
        (6 * MIB, 6 * MIB, "0", 6 * MIB),
        (6 * MIB, 100 * MIB, "0", 100 * MIB),
        (6 * MIB, 100 * MIB, "0.06", 94 * MIB),
        (6 * MIB, 7 * MIB, "0.06", 6 * MIB),
        (6 * MIB, 6 * MIB, "0.06", 6 * MIB),
    ],
)
def test_size_of_the_disk(
    virtual: int, requested: int, overhead: str, size: int, web: WebServer, image: Path, out: Path
) -> None:
    """Grown to what was asked for less the overhead, never shrunk (spec 5.5)."""
    report = imported(web.url(image), out, target={"size_bytes": requested, "overhead": overhead})
    assert report.virtual_size_bytes == virtual
    assert out.stat().st_size == size


def test_an_image_larger_than_asked_for(web: WebServer, image: Path, out: Path) -> None:
    report = imported(web.url(image), out, target={"size_bytes": 3 * MIB})
    assert report.message == (
        "Unable to process data: Unable to convert source data to target format: virtual image size 6291456 is larger "
        "than the reported available storage 3145728. A larger PVC is required"
    )
    assert report.error == "permanent"
    assert not out.exists()


def test_what_was_there_before_is_replaced(web: WebServer, raw: Path, image: Path, out: Path) -> None:
    """A file of an earlier attempt, larger and full of something else."""
    out.write_bytes(b"\xff" * 9 * MIB)
    assert imported(web.url(image), out).succeeded
    assert out.read_bytes() == raw.read_bytes()


def test_a_source_that_cannot_be_read_leaves_what_was_there(web: WebServer, out: Path) -> None:
    out.write_bytes(b"precious")
    assert not imported(web.url("none"), out).succeeded
    assert out.read_bytes() == b"precious"


@needs_root
def test_an_image_larger_than_the_free_space(web: WebServer, image: Path, tmp_path: Path) -> None:
    with mounted("tmpfs", tmp_path / "volume", "size=24m") as volume:
        (volume / "other").write_bytes(bytes(20 * MIB))
        message = imported(web.url(image), volume / "disk.img", target={"size_bytes": 24 * MIB}).message
    assert f"larger than the reported available storage {4 * MIB}" in message


@needs_root
def test_a_volume_that_somebody_else_fills_meanwhile(tmp_path: Path) -> None:
    with mounted("tmpfs", tmp_path / "volume", "size=16m") as volume:
        fills_it = Fault(meanwhile=lambda: (volume / "other").write_bytes(bytes(10 * MIB)))
        with faulty(b"\xeb\x63\x90" + os.urandom(12 * MIB), [Fault(), fills_it]) as server:
            report = imported(server.url, volume / "disk.img", connections=1)
        assert [path.name for path in volume.iterdir()] == ["other"]
    assert report.message.startswith("Unable to process data: Unable to transfer source data to target file: write ")
    assert report.message.endswith("disk.img: no space left on device")


@needs_root
def test_a_read_only_volume(web: WebServer, image: Path, tmp_path: Path) -> None:
    with mounted("tmpfs", tmp_path / "volume", "ro") as volume:
        message = imported(web.url(image), volume / "disk.img").message
    assert message.endswith("disk.img: read-only file system")


def test_no_volume(web: WebServer, image: Path, tmp_path: Path) -> None:
    message = imported(web.url(image), tmp_path / "nowhere" / "disk.img").message
    assert message == f"Unable to process data: open {tmp_path}/nowhere: no such file or directory"


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    """Backing of a device that somebody has used: no byte of it is zero."""
    path = tmp_path / "device.img"
    path.write_bytes(b"\xa5" * DEVICE_BYTES)
    return path


@needs_root
@pytest.mark.parametrize("way", ["", "stream/"])
@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_used_device(form: str, way: str, web: WebServer, raw: Path, image: Path, dirty: Path) -> None:
    with loop_device(dirty) as device:
        report = onto_device(web.url(raw if form == "raw" else image, way), device)
    assert report.message == "Import Complete"
    assert dirty.read_bytes()[: 6 * MIB] == raw.read_bytes()
    assert report.written_bytes <= 3 * MIB
    assert allocated(dirty) <= 4 * MIB


@needs_root
@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_used_device_that_cannot_zero_by_itself(
    form: str, web: WebServer, raw: Path, image: Path, tmp_path: Path
) -> None:
    """Files of ramfs cannot have holes, so neither can a loop device on one."""
    with mounted("ramfs", tmp_path / "ram") as ram:
        backing = ram / "device"
        backing.write_bytes(b"\xa5" * DEVICE_BYTES)
        with loop_device(backing) as device:
            fd = os.open(device, os.O_RDWR)
            with pytest.raises(OSError, match="not supported"):
                kernel.punch_hole(fd, 0, MIB)
            os.close(fd)
            report = onto_device(web.url(raw if form == "raw" else image), device)
        assert report.message == "Import Complete"
        assert backing.read_bytes() == raw.read_bytes() + b"\xa5" * (DEVICE_BYTES - 6 * MIB)


@needs_root
@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_preallocated_device(form: str, web: WebServer, raw: Path, image: Path, dirty: Path) -> None:
    with loop_device(dirty) as device:
        report = onto_device(web.url(raw if form == "raw" else image), device, preallocate=True)
    assert report.preallocation_applied
    assert dirty.read_bytes() == raw.read_bytes() + b"\xa5" * (DEVICE_BYTES - 6 * MIB)
    assert 6 * MIB < report.written_bytes < 7 * MIB + 512, "the image, and before it zeros and a mark in its head"


@needs_root
def test_a_device_that_is_too_small(web: WebServer, image: Path, tmp_path: Path) -> None:
    backing = tmp_path / "small.img"
    backing.write_bytes(b"\xa5" * 3 * MIB)
    with loop_device(backing) as device:
        report = onto_device(web.url(image), device)
    assert "virtual image size 6291456 is larger than the reported available storage 3145728" in report.message
    assert backing.read_bytes() == b"\xa5" * 3 * MIB


@needs_root
def test_a_mounted_device_is_left_alone(web: WebServer, image: Path, tmp_path: Path) -> None:
    backing = filesystem("ext4", tmp_path / "in-use.img", 32 * MIB)
    with loop_device(backing) as device, mounted("ext4", tmp_path / "mount", source=device):
        report = onto_device(web.url(image), device)
    assert report.message == f"Unable to process data: open {device}: device or resource busy"


@needs_root
@pytest.mark.parametrize("data_bytes", [11 * MIB, 40 * MIB], ids=["in the end", "on the way"])
def test_a_device_whose_storage_gives_out(data_bytes: int, web: WebServer, tmp_path: Path) -> None:
    """Thin storage that is full answers writes with an error, and tells it once, to whoever waits for the data."""
    path = web.files / "large.raw"
    path.write_bytes(b"\xeb" + os.urandom(data_bytes - 1))
    with mounted("tmpfs", tmp_path / "thin", "size=10m") as thin:
        with (thin / "backing").open("wb") as file:
            file.truncate(64 * MIB)
        with loop_device(thin / "backing") as device:
            report = onto_device(web.url(path), device)
        head = (thin / "backing").read_bytes()[:MIB]
    assert (report.error, "input/output error" in report.message) == ("permanent", True), report
    assert head != path.read_bytes()[:MIB]
    assert not any(head[512:])


@needs_root
def test_a_failed_import_leaves_no_disk_on_a_device(web: WebServer, raw: Path, dirty: Path) -> None:
    path = web.files / "half.gz"
    path.write_bytes(gzip.compress(b"\xeb\x63\x90" + os.urandom(5 * MIB), 1)[: 3 * MIB])
    with loop_device(dirty) as device:
        report = onto_device(web.url(path), device)
    assert "the gz data is broken" in report.message
    assert dirty.read_bytes()[:MIB] == bytes(MIB)


@pytest.mark.parametrize(("requested", "overhead", "size"), [(100 * MIB, "0.06", 94 * MIB), (10 * MIB, "0", 10 * MIB)])
@pytest.mark.parametrize("preallocate", [False, True])
def test_blank_file(requested: int, overhead: str, size: int, preallocate: bool, out: Path) -> None:
    report = blank(Target(str(out.parent), "Filesystem", requested, overhead, preallocate))
    assert (report.message, out.stat().st_size) == ("Import Complete", size)
    assert (allocated(out) >= size) is preallocate


@needs_root
@pytest.mark.parametrize("preallocate", [False, True])
def test_blank_device(preallocate: bool, dirty: Path) -> None:
    """Without preallocation nothing at all happens to it (spec 5.3)."""
    with loop_device(dirty) as device:
        report = blank(Target(device, "Block", 0, preallocate=preallocate))
    assert report.message == "Import Complete"
    assert dirty.read_bytes() == (b"\0" if preallocate else b"\xa5") * DEVICE_BYTES


def blank(target: Target) -> Report:
    return run(Job(Source("blank"), target), Progress(), {})


def test_identical_is_not_always_true(raw: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(raw.read_bytes()[:-1] + b"x")
    assert identical(raw, raw)
    assert not identical(raw, other)
