"""Disks of oVirt: the real imageio daemon and qemu-nbd behind a stand-in of the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importer_image.job import Job, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress
from importer_image.source import Disk
from importer_image.source.imageio import transfer
from importer_image.source.open import open_source
from importer_image.terminal import at_terminal
from tests import images
from tests.images import MIB, identical, qemu_img, qemu_io
from tests.transfer import engine as stand_in
from tests.transfer.devices import loop_device, needs_root
from tests.transfer.engine import Engine
from tests.transfer.imageio import Daemon, imageio

CHECKPOINTS = ("first", "second", "third")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with imageio(tmp_path_factory.mktemp("imageio")) as running:
        yield running


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PACE", transfer.Pace(5, 0.01, 100, 0.01, 0.2, 3, 0.01))


@dataclass
class Ovirt:
    """An engine, and how to import from it."""

    engine: Engine
    secrets: Path
    volumes: Path

    def disk(self, name: str, content: bytes = b"", size_bytes: int = 0) -> Path:
        """A raw disk that begins with that content."""
        path = self.volumes / name
        with path.open("wb") as file:
            file.write(content)
            file.truncate(max(size_bytes, len(content)))
        self.engine.disks[name] = stand_in.Disk(self.volumes, name, name)
        return path

    def source(self, disk: str, **settings: Any) -> Source:
        trusted = {"secret_dir": str(self.secrets), "ca_dirs": (str(self.engine.daemon.certificates),)}
        return Source("imageio", self.engine.url, disk_id=disk, **{**trusted, **settings})

    def imported(
        self, disk: str, out: Path, *, target: Any = None, progress: Progress | None = None, **source: Any
    ) -> Report:
        to = target or Target(str(out.parent), "Filesystem", 0, file=out.name)
        return run(Job(self.source(disk, **source), to, connections=4), progress or Progress(), {})


@pytest.fixture
def ovirt(daemon: Daemon, tmp_path: Path) -> Iterator[Ovirt]:
    secrets, volumes = tmp_path / "secrets", tmp_path / "volumes"
    volumes.mkdir()
    secrets.mkdir()
    (secrets / "accessKeyId").write_text(stand_in.USER)
    (secrets / "secretKey").write_text(stand_in.PASSWORD + "\n")
    with stand_in.engine(daemon) as engine:
        yield Ovirt(engine, secrets, volumes)


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


def test_what_is_not_an_engine(ovirt: Ovirt, out: Path) -> None:
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


class At(Progress):
    """Does something once, when so many bytes have come."""

    def __init__(self, after_bytes: int, action: Any) -> None:
        super().__init__()
        self._after_bytes = after_bytes
        self._action = action

    def came_in(self, count: int) -> None:
        super().came_in(count)
        if self._action and self.source_bytes > self._after_bytes:
            action, self._action = self._action, None
            action()


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
