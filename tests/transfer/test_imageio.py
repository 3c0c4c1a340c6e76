"""Disks of oVirt: the real imageio daemon and qemu-nbd behind a stand-in of the engine."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from importer_image import attempt
from importer_image.job import Target
from importer_image.source import Disk
from importer_image.source.open import open_source
from importer_image.terminal import at_terminal
from tests.images import KIB, MIB
from tests.transfer.imageio import Daemon
from tests.transfer.ovirt import At, Ovirt


@pytest.mark.parametrize("settings", [{}, {"forgetful": True}, {"direct": False}])
def test_only_data_travels(settings: dict[str, Any], ovirt: Ovirt, out: Path) -> None:
    vars(ovirt.engine).update(settings)
    path = ovirt.disk("sparse", size_bytes=64 * MIB)
    with path.open("r+b") as file:
        for offset in (MIB, 3 * MIB, 60 * MIB):
            file.seek(offset)
            file.write(b"data" * (MIB // 4))
    report = ovirt.imported("sparse", out)
    assert report.succeeded, report.message
    assert (report.format, report.virtual_size_bytes) == ("raw", 64 * MIB)
    assert 3 * MIB <= ovirt.engine.last.sent_bytes <= 3 * MIB + 512
    assert report.source_bytes <= 3 * MIB + 512
    assert out.read_bytes() == path.read_bytes()
    assert out.stat().st_blocks * 512 <= 3 * MIB + 4096
    assert ovirt.engine.asked == ["begin", "finalize"]


@pytest.mark.parametrize(
    ("name", "content", "size", "backend"),
    [
        # disk        beginning                           size     behind the daemon
        ("empty",     b"",                                8 * MIB, "nbd"),
        ("sector",    b"x" * 512,                         512,     "nbd"),
        ("full",      bytes(range(256)) * 20480,          5 * MIB, "nbd"),
        ("full",      bytes(range(256)) * 20480,          5 * MIB, "file"),
        # What a guest has written to the beginning of its disk says nothing about the disk.
        ("qcow2",     b"QFI\xfb\0\0\0\3" + b"x" * 1000,  MIB,     "nbd"),
        ("gzip",      b"\x1f\x8b\x08" + b"x" * 1000,      MIB,     "file"),
        ("page",      b"<html>" + b"x" * 1000,            MIB,     "nbd"),
    ],
)  # fmt: skip
def test_disks_are_raw(name: str, content: bytes, size: int, backend: str, ovirt: Ovirt, out: Path) -> None:
    ovirt.engine.backend = backend
    path = ovirt.disk(name, content, size)
    report = ovirt.imported(name, out)
    assert report.succeeded, report.message
    assert report.format == "raw"
    assert out.read_bytes() == path.read_bytes()
    assert ovirt.engine.asked == ["begin", "finalize"]


@pytest.mark.parametrize(
    ("disk", "settings", "kind", "message"),
    [
        # disk      source                          error        what the user reads
        ("disk",    {"ca_dirs": ()},                "permanent", "Error CA not provided"),
        ("disk",    {"ca_dirs": ("/etc/ssl",)},     "permanent", "tls: failed to verify certificate: x509: "),
        ("nothing", {},                             "permanent", "disk nothing not found"),
        ("disk",    {"current_checkpoint": "none"}, "permanent", "expected status code 200, got 404"),
        ("disk",    {"secret_dir": "wrong"},        "permanent", "got 401. Status: 401 Unauthorized"),
        ("locked",  {},                             "transient", "disk locked is locked"),
    ],
)  # fmt: skip
def test_what_does_not_even_begin(
    disk: str, settings: dict[str, Any], kind: str, message: str, ovirt: Ovirt, out: Path
) -> None:
    ovirt.disk("disk", b"x" * 512)
    ovirt.disk("locked", b"x" * 512)
    ovirt.engine.disks["locked"].locked = 99
    if settings.get("secret_dir"):
        (ovirt.secrets / "secretKey").write_text("not this one")
        settings = {}
    report = ovirt.imported(disk, out, **settings)
    assert report.message.startswith("Unable to connect to imageio data source: ")
    assert message in report.message
    assert (report.error, ovirt.engine.asked, out.exists()) == (kind, [], False)


def test_without_verification(ovirt: Ovirt, out: Path) -> None:
    ovirt.disk("disk", b"x" * 512)
    assert ovirt.imported("disk", out, ca_dirs=(), insecure=True).succeeded


def test_a_checksum_of_a_disk_is_refused(ovirt: Ovirt, out: Path) -> None:
    ovirt.disk("disk", b"x" * 512)
    report = ovirt.imported("disk", out, checksum=f"md5:{'0' * 32}")
    assert "a disk has no checksum" in report.message
    assert ovirt.engine.asked == ["begin", "cancel"]


def test_an_id_does_not_lead_elsewhere(ovirt: Ovirt, out: Path) -> None:
    ovirt.disk("disk", b"x" * 512)
    report = ovirt.imported("../../..", out)
    assert "disk ../../.. not found" in report.message


def test_a_locked_disk_is_waited_for(ovirt: Ovirt, out: Path) -> None:
    ovirt.disk("disk", b"x" * 512)
    ovirt.engine.disks["disk"].locked = 3
    assert ovirt.imported("disk", out).succeeded
    assert ovirt.engine.disks["disk"].locked == 0


def test_a_ticket_is_kept_alive_while_nothing_is_read(ovirt: Ovirt) -> None:
    ovirt.engine.ticket_s = 2
    path = ovirt.disk("disk", b"data" * MIB)
    with closing(open_source(ovirt.source("disk"), 2, {}, lambda count: None)) as disk:
        assert isinstance(disk, Disk)
        time.sleep(ovirt.engine.ticket_s + 0.5)
        assert b"".join(bytes(extent.data or b"") for extent in disk.extents()) == path.read_bytes()
    assert ovirt.engine.extended >= 3


def test_a_daemon_that_is_killed_and_comes_back(ovirt: Ovirt, daemon: Daemon, out: Path) -> None:
    path = ovirt.disk("disk", bytes(range(256)) * (8 * MIB // 256))
    progress = At(2 * MIB, lambda: daemon.restart(ovirt.engine.last.ticket))
    report = ovirt.imported("disk", out, progress=progress)
    assert report.succeeded, report.message
    assert out.read_bytes() == path.read_bytes()


def test_a_daemon_that_comes_back_without_the_ticket(ovirt: Ovirt, daemon: Daemon, out: Path) -> None:
    path = ovirt.disk("disk", bytes(range(256)) * (24 * MIB // 256))
    report = ovirt.imported("disk", out, progress=At(2 * MIB, daemon.restart))
    assert (report.error, ovirt.engine.asked, out.exists()) == ("transient", ["begin", "cancel"], False)
    assert "broke off: expected status code 200, got 403" in report.message
    assert ovirt.imported("disk", out).succeeded
    assert out.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("snapshot", "goes_on"), [("disk", True), ("", False)])
def test_a_snapshot_is_gone_on_with(
    snapshot: str, goes_on: bool, ovirt: Ovirt, daemon: Daemon, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of a machine may be another one by now: it is begun again."""
    monkeypatch.setattr(attempt, "EVERY_BYTES", 256 * KIB)
    path = ovirt.disk("disk", os.urandom(16 * MIB) + bytes(8 * MIB) + os.urandom(16 * MIB))
    broken = ovirt.imported("disk", out, progress=At(24 * MIB, daemon.restart), current_checkpoint=snapshot)
    assert (broken.error, out.exists()) == ("transient", goes_on)
    report = ovirt.imported("disk", out, current_checkpoint=snapshot)
    assert report.succeeded, report.message
    assert (report.resumed_bytes > 0, report.source_bytes < 32 * MIB) == (goes_on, goes_on)
    assert out.read_bytes() == path.read_bytes()
    assert os.listdir(out.parent) == [out.name]


def test_a_failure_cancels_the_transfer(ovirt: Ovirt, out: Path) -> None:
    ovirt.disk("disk", b"data" * MIB)
    report = ovirt.imported("disk", out, target=Target(str(out.parent), "Filesystem", MIB, file=out.name))
    assert "virtual image size 4194304 is larger than the reported available storage" in report.message
    assert (report.error, ovirt.engine.asked) == ("permanent", ["begin", "cancel"])


def test_on_a_terminal(ovirt: Ovirt, out: Path) -> None:
    path = ovirt.disk("disk", b"data" * 1024)
    arguments = [f"imageio+{ovirt.engine.url}", str(out), "--disk-id", "disk", "--secret", str(ovirt.secrets)]
    assert at_terminal([*arguments, "--cacert", str(ovirt.engine.daemon.certificates)]).succeeded
    assert out.read_bytes() == path.read_bytes()
