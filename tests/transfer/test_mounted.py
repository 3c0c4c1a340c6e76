"""The disk in a container image that is mounted, as the kubelet mounts it: one file below disk/, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images import MIB, disk, qcow2
from tests.transfer.imports import imported

READING = "Unable to process data: Unable to transfer source data to scratch space: Failed to read registry image"
NO_DISK = "Failed to find VM disk image file in the container image"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The root of a container image's files."""
    (tmp_path / "image" / "disk").mkdir(parents=True)
    return tmp_path / "image"


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_disk(format: str, image: Path, out: Path, tmp_path: Path) -> None:
    raw = disk(tmp_path / "source.raw", 4 * MIB)
    content = (qcow2(raw, tmp_path / "source.qcow2") if format == "qcow2" else raw).read_bytes()
    (image / "disk" / "any name").write_bytes(content)
    report = imported(str(image), out, kind="mounted")
    assert (report.message, report.format, report.labels) == ("Import Complete", format, {})
    assert out.read_bytes() == raw.read_bytes()


def test_a_link_inside_of_the_image(image: Path, out: Path, tmp_path: Path) -> None:
    raw = disk(tmp_path / "source.raw", MIB)
    raw.rename(image / "elsewhere")
    (image / "disk" / "disk.img").symlink_to("../elsewhere")
    assert imported(str(image), out, kind="mounted").succeeded
    assert out.read_bytes() == (image / "elsewhere").read_bytes()


def no_directory(image: Path) -> None:
    (image / "disk").rmdir()


def a_file_for_a_directory(image: Path) -> None:
    no_directory(image)
    (image / "disk").write_bytes(b"disk")


def nothing(image: Path) -> None:
    """disk/ is empty."""


def two_files(image: Path) -> None:
    for name in ("a", "b"):
        (image / "disk" / name).write_bytes(b"disk")


def a_directory(image: Path) -> None:
    (image / "disk" / "more").mkdir()


def a_pipe(image: Path) -> None:
    os.mkfifo(image / "disk" / "disk.img")


def a_link_out(image: Path) -> None:
    (image / "disk" / "disk.img").symlink_to("/etc/passwd")


def a_relative_link_out(image: Path) -> None:
    (image / "disk" / "disk.img").symlink_to("../../secret")
    (image.parent / "secret").write_bytes(b"password" * 512)


def a_directory_that_is_a_link_out(image: Path) -> None:
    no_directory(image)
    (image / "disk").symlink_to("/etc")


def a_link_to_nothing(image: Path) -> None:
    (image / "disk" / "disk.img").symlink_to("gone")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (no_directory, NO_DISK),
        (a_file_for_a_directory, NO_DISK),
        (nothing, NO_DISK),
        (two_files, "image directory contains more than one file"),
        (a_directory, "image directory contains another directory"),
        (a_pipe, "the disk disk/disk.img is not a file"),
        (a_link_out, "content filepath is tainted: disk/disk.img"),
        (a_relative_link_out, "content filepath is tainted: disk/disk.img"),
        (a_directory_that_is_a_link_out, "content filepath is tainted: disk"),
        (a_link_to_nothing, "the disk disk/disk.img is not a file"),
    ],
)
def test_no_disk(made: Callable[[Path], None], words: str, image: Path, out: Path) -> None:
    made(image)
    report = imported(str(image), out, kind="mounted")
    assert (report.error, report.message.startswith(f"{READING}: {words}")) == ("permanent", True), report.message
    assert report.hint or "not a file" in report.message
    assert list(out.parent.iterdir()) == []
