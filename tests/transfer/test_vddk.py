"""A machine of VMware, from its vCenter through nbdkit's own vddk plugin onto the disk. Only the library stands in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from importer_image import attempt
from importer_image.job import Job, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress
from importer_image.source import patience, reader
from tests.images import KIB, MIB, disk
from tests.transfer.vmware import built
from tests.transfer.vmware.vcenter import THUMBPRINT, VCenter, secret, vcenter

DISK_BYTES = 12 * MIB + 512
"""The library tells what is allocated in chunks of 64 KiB, so the last half chunk is special."""
CHANGED = ((0, 64 * KIB), (2 * MIB, 320 * KIB), (5 * MIB, MIB), (12 * MIB, 512))
"""Overwritten, in part erased; across the border of what one answer covers; erased; the end of the disk."""


@dataclass(frozen=True)
class Site:
    vcenter: VCenter
    disks: Path
    home: Path

    def import_(self, out: Path, progress: Progress | None = None, **settings: Any) -> Report:
        target = Target(str(out.parent), "Filesystem", 0, file=out.name)
        return run(Job(self.source(settings), target), progress or Progress(), {})

    def source(self, settings: Mapping[str, Any]) -> Source:
        found = {
            "url": self.vcenter.url,
            "secret_dir": str(self.home / "secret"),
            "uuid": self.vcenter.instance_uuid,
            "backing_file": self.vcenter.file,
            "thumbprint": THUMBPRINT,
            "library_dir": str(self.home / "library"),
        }
        return Source("vddk", **{**found, **settings})

    def raw(self, name: str) -> bytes:
        return (self.disks / f"{name}.raw").read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("vmware")
    built.library(home / "library")
    secret(home / "secret")
    disks = home / "disks"
    disks.mkdir()
    with vcenter(DISK_BYTES, CHANGED) as server:
        first, second = (disks / f"{name}.raw" for name in server.snapshots)
        disk(first, 4 * MIB)
        with first.open("r+b") as file:
            file.truncate(DISK_BYTES)
            file.seek(DISK_BYTES - MIB // 2)
            file.write(b"old" * 1000)
            file.seek(5 * MIB)
            file.write(os.urandom(MIB))
        change(first, second)
        disk(disks / "current.raw", DISK_BYTES, seed=3)
        yield Site(server, disks, home)


def change(first: Path, second: Path) -> None:
    """As CHANGED says. What is erased is a hole in the new file."""
    content = bytearray(first.read_bytes())
    for start, length in CHANGED:
        content[start : start + length] = os.urandom(length)
    content[2 * MIB + 64 * KIB :][: 128 * KIB] = bytes(128 * KIB)
    for start, length in ((2 * MIB + 64 * KIB, 128 * KIB), (5 * MIB, MIB)):
        content[start : start + length] = bytes(length)
    with second.open("wb") as file:
        file.truncate(DISK_BYTES)
        for start in range(0, DISK_BYTES, 64 * KIB):
            if any(piece := content[start : start + 64 * KIB]):
                file.seek(start)
                file.write(piece)


@pytest.fixture
def site(made: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("PATH", f"{built.nbdkit()}:{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_DISKS", str(made.disks))
    monkeypatch.setenv("STANDIN_LOGIN", made.vcenter.login)
    monkeypatch.setattr(reader, "READING", replace(patience.READING, attempts=4, first_s=0.001))
    before = children()
    yield made
    assert children() == before, "nbdkit outlives its import"


def children() -> set[str]:
    """Of this process. A thread that has been joined may still be there for a moment."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set((task / "children").read_text().split())
    return found


@pytest.mark.parametrize("by", ["instance_uuid", "bios_uuid"])
def test_a_whole_disk(by: str, site: Site, out: Path) -> None:
    progress = Progress()
    report = site.import_(out, progress, uuid=getattr(site.vcenter, by))
    assert report.message == "Import Complete"
    assert out.read_bytes() == site.raw("current")
    assert report.vddk_info == {"Version": "8.0.2", "Host": "esx7.example"}
    assert report.source_bytes == progress.total_bytes
    assert '"vddkInfo":{"Version":"8.0.2","Host":"esx7.example"}' in report.to_json()


def test_holes_do_not_travel(site: Site, out: Path) -> None:
    name = site.vcenter.snapshots[1]
    report = site.import_(out, current_checkpoint=name)
    assert out.read_bytes() == site.raw(name)
    assert report.virtual_size_bytes == DISK_BYTES
    assert report.source_bytes < 6 * MIB
    assert out.stat().st_blocks * 512 < 6 * MIB


def test_a_library_that_does_not_know_what_is_allocated(site: Site, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_NO_MAP", "1")
    report = site.import_(out)
    assert out.read_bytes() == site.raw("current")
    assert report.source_bytes == DISK_BYTES


@pytest.mark.parametrize("previous", ["snapshots", "change_ids"])
def test_a_warm_migration(previous: str, site: Site, out: Path) -> None:
    first, second = site.vcenter.snapshots
    assert not site.import_(out, current_checkpoint=first).error
    assert out.read_bytes() == site.raw(first)
    inode = out.stat().st_ino
    before = getattr(site.vcenter, previous)[0]
    report = site.import_(out, current_checkpoint=second, previous_checkpoint=before, final_checkpoint=True)
    assert report.message == "Import Complete"
    assert out.read_bytes() == site.raw(second)
    assert out.stat().st_ino == inode
    assert report.source_bytes == (64 + 320 - 128) * KIB + 512


def test_a_delta_needs_the_disk_that_it_changes(site: Site, out: Path) -> None:
    first, second = site.vcenter.snapshots
    report = site.import_(out, current_checkpoint=second, previous_checkpoint=first)
    assert report.message == (
        "Unable to process data: Disk image does not exist, cannot apply deltas for warm migration"
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"uuid": "no-such"}, "permanent", "unable to locate VM in any datacenter: no-such"),
        ({"backing_file": "[ds] other.vmdk"}, "permanent", "disk [ds] other.vmdk is not present in the hardware"),
        ({"current_checkpoint": "snapshot-0"}, "permanent", "could not find snapshot snapshot-0 of the VM"),
        ({"thumbprint": "A1"}, "transient", "thumbprint is A1 instead of A1:B2:C3"),
        ({"library_dir": "/nowhere"}, "permanent", "the VMware library is not in /nowhere"),
        ({"extra_args_dir": "/nowhere"}, "permanent", "the ConfigMap of extraArgs has no key vddk-config-file"),
        ({"url": "https://127.0.0.1:1/sdk"}, "transient", "connect: connection refused"),
        ({"secret_dir": "/nowhere"}, "permanent", "cannot read the secret /nowhere/accessKeyId"),
    ],
)
def test_refused(settings: dict[str, Any], error: str, text: str, site: Site, out: Path) -> None:
    report = site.import_(out, **settings)
    assert (report.error, report.message.partition(": ")[0]) == (error, "Unable to connect to vddk data source")
    assert text in report.message
    assert not out.exists()


def test_a_wrong_password(site: Site, out: Path, tmp_path: Path) -> None:
    report = site.import_(out, secret_dir=str(secret(tmp_path / "secret", "guess")))
    assert report.error == "permanent"
    assert "Unable to connect to vddk data source: login to 127.0.0.1:" in report.message


def test_a_change_id_that_is_not_known(site: Site, out: Path) -> None:
    out.write_bytes(bytes(DISK_BYTES))
    name = site.vcenter.snapshots[1]
    report = site.import_(out, current_checkpoint=name, previous_checkpoint="52 3c/99")
    assert report.error == "permanent"
    assert "vSphere: Error caused by file" in report.message
    assert out.read_bytes() == bytes(DISK_BYTES)


def test_no_datacenters(site: Site, out: Path) -> None:
    with vcenter(DISK_BYTES, (), datacenters=0) as empty:
        report = site.import_(out, url=empty.url)
    assert report.message == "Unable to connect to vddk data source: no datacenters found"


@pytest.mark.parametrize(("trusted", "good"), [(True, True), (False, False)])
def test_a_certificate_authority_is_verified_where_one_is_given(
    trusted: bool, good: bool, site: Site, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "any name").write_text(site.vcenter.certificate if trusted else "")
    report = site.import_(out, ca_dirs=(str(tmp_path / "ca"),))
    assert (not report.error) is good, report.message
    assert good or "x509" in report.message


@pytest.mark.parametrize(("text", "good"), [("good", True), ("bad", False)])
def test_extra_arguments_reach_the_library(text: str, good: bool, site: Site, out: Path, tmp_path: Path) -> None:
    (tmp_path / "vddk-config-file").write_text(text)
    report = site.import_(out, extra_args_dir=str(tmp_path))
    assert (not report.error) is good, report.message
    assert good or "the settings are bad" in report.message


@pytest.mark.parametrize("faults", ["F", "FFF", "C", "CFC"])
def test_what_breaks_is_read_again(
    faults: str, site: Site, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faults").write_text(faults)
    monkeypatch.setenv("STANDIN_FAULTS", str(tmp_path / "faults"))
    report = site.import_(out)
    assert not report.error, report.message
    assert out.read_bytes() == site.raw("current")
    assert report.source_bytes <= DISK_BYTES
    assert (tmp_path / "faults").read_text() == ""


def test_a_disk_that_cannot_be_read(site: Site, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faults").write_text("F" * 10_000)
    monkeypatch.setenv("STANDIN_FAULTS", str(tmp_path / "faults"))
    report = site.import_(out)
    assert report.error == "transient"
    assert report.message.startswith("Unable to process data: Unable to transfer source data to target file: read of ")
    assert "asynchronous read failed: Unknown error" in report.message
    assert not out.exists()


@pytest.mark.parametrize(("snapshot", "goes_on"), [(True, True), (False, False)])
def test_a_snapshot_is_gone_on_with(
    snapshot: bool, goes_on: bool, site: Site, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of a machine may be another one by now: it is begun again."""
    monkeypatch.setattr(attempt, "EVERY_BYTES", 256 * KIB)
    name = site.vcenter.snapshots[0] if snapshot else ""
    faults = tmp_path / "faults"
    faults.write_text("F" * 10_000)
    monkeypatch.setenv("STANDIN_FAULTS", str(faults))
    broken = site.import_(out, current_checkpoint=name)
    assert (broken.error, out.exists()) == ("transient", goes_on)
    faults.write_text("")
    report = site.import_(out, current_checkpoint=name)
    assert not report.error, report.message
    assert (report.resumed_bytes > 0) is goes_on
    assert out.read_bytes() == site.raw(name or "current")
    assert os.listdir(out.parent) == [out.name]
