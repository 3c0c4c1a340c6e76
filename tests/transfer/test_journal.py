"""What may have happened between an attempt that broke off and the next one: it goes on, or starts again; the disk is
right either way, and alone in its volume.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from importer_image import attempt
from importer_image.job import Job, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress
from importer_image.source import reader
from importer_image.source.patience import Patience
from tests.images import MIB
from tests.transfer.devices import loop_device, mounted, needs_root
from tests.transfer.faulty import Fault, Faulty, faulty
from tests.transfer.imports import imported

CONTENT = b"\xeb\x63\x90" + os.urandom(4 * MIB - 3) + bytes(MIB) + os.urandom(MIB)
BREAKS_OFF = (*[Fault()] * 4, Fault(cut_after=512 << 10))
"""The first 256 KiB, three requests of 1 MiB, and half of one."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "EVERY_BYTES", 256 << 10)
    monkeypatch.setattr(reader, "READING", Patience(1, 0, 0))


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty(CONTENT, BREAKS_OFF) as found:
        yield found


def journal(out: Path) -> Path:
    return out.with_name(f".{out.name}.journal")


def changed(out: Path, **fields: object) -> None:
    head, rest = journal(out).read_text().split("\n", 1)
    journal(out).write_text(json.dumps({**json.loads(head), **fields}) + "\n" + rest)


def continued(out: Path, text: str) -> None:
    with journal(out).open("a") as file:
        file.write(text)


def through_a_link(out: Path) -> None:
    elsewhere = journal(out).rename(out.parent.parent / "journal")
    journal(out).symlink_to(elsewhere)


def a_pipe(out: Path) -> None:
    journal(out).unlink()
    os.mkfifo(journal(out))


def a_copy(out: Path) -> None:
    shutil.copy(out, out.parent.parent / "copy")
    (out.parent.parent / "copy").rename(out)


def scribbled(out: Path) -> None:
    """Where nothing has been finished yet, and zeros belong."""
    with out.open("r+b") as file:
        file.seek(4 * MIB)
        file.write(b"\xff" * MIB)


@pytest.mark.parametrize(
    ("meanwhile", "goes_on"),
    [
        (lambda out: None, True),
        (scribbled, True),
        (lambda out: (out.parent / ".disk.img.journal.new").write_text("half"), True),
        (lambda out: journal(out).unlink(), False),
        (lambda out: journal(out).write_bytes(bytes(4096)), False),
        (lambda out: os.truncate(journal(out), 100), False),
        (lambda out: os.truncate(journal(out), 5 << 20), False),
        (lambda out: continued(out, "9 0 1"), True),
        (lambda out: continued(out, "\0" * 4096), True),
        (lambda out: continued(out, "\0" * 4096 + "\n"), False),
        (lambda out: continued(out, f"9 0 {1 << 40}\n"), False),
        (lambda out: continued(out, f"9 {4 * MIB} {MIB}\n"), False),
        (lambda out: changed(out, version=0), False),
        (lambda out: changed(out, more="than we know"), False),
        (through_a_link, False),
        (a_pipe, False),
        (a_copy, False),
        (lambda out: os.truncate(out, 3 * MIB), False),
        (lambda out: os.truncate(out, 300 * MIB), False),
        (lambda out: os.unlink(out), False),
        (lambda out: os.link(out, out.parent.parent / "link"), False),
    ],
)
def test_a_file_and_its_journal(meanwhile: Callable[[Path], Any], goes_on: bool, server: Faulty, out: Path) -> None:
    assert imported(server.url, out, connections=1).error == "transient"
    assert sorted(os.listdir(out.parent)) == [".disk.img.journal", "disk.img"]
    meanwhile(out)
    report = imported(server.url, out, connections=1)
    assert report.message == "Import Complete"
    assert (report.resumed_bytes > 0, report.source_bytes < len(CONTENT) - 2 * MIB) == (goes_on, goes_on)
    assert out.read_bytes() == CONTENT
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize(
    "settings",
    [
        {"target": {"size_bytes": 7 * MIB}},
        {"target": {"preallocate": True}},
        {"target": {"overhead": "0.06"}},
        {"checksum": "md5:" + "0" * 32},
    ],
)
def test_another_job_starts_again(settings: dict[str, Any], server: Faulty, out: Path) -> None:
    assert imported(server.url, out, connections=1).error == "transient"
    report = imported(server.url, out, connections=1, **settings)
    assert report.source_bytes == len(CONTENT)
    assert not journal(out).exists()


def test_another_source_starts_again(server: Faulty, out: Path) -> None:
    assert imported(server.url, out, connections=1).error == "transient"
    server.content, server.etag = CONTENT[::-1], '"2"'
    report = imported(server.url, out, connections=1)
    assert (report.source_bytes, report.resumed_bytes) == (len(CONTENT), 0)
    assert out.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("settings", [{"etag": ""}, {"etag": 'W/"1"'}, {"ranges": False}])
def test_what_cannot_go_on_leaves_nothing(settings: dict[str, Any], out: Path) -> None:
    faults = BREAKS_OFF if settings.get("ranges", True) else [Fault(cut_after=2 * MIB)]
    with faulty(CONTENT, faults, **settings) as server:
        report = imported(server.url, out, connections=1)
    assert (report.error, os.listdir(out.parent)) == ("transient", [])


def test_what_will_not_help_leaves_nothing(server: Faulty, out: Path) -> None:
    """The second attempt goes on, and ends for good."""
    assert imported(server.url, out, connections=1).error == "transient"
    server.faults = [Fault(), Fault(ignore_range=True)]
    assert imported(server.url, out, connections=1).error == "permanent"
    assert os.listdir(out.parent) == []


def test_two_at_once(out: Path) -> None:
    reports: list[Report] = []
    with faulty(CONTENT) as twice:
        second = Fault(meanwhile=lambda: reports.append(imported(twice.url, out, connections=1)))
        twice.faults = [Fault(), Fault(), second]
        assert imported(twice.url, out, connections=1).succeeded
    assert [report.error for report in reports] == ["transient"]
    assert reports[0].message.endswith("disk.img is being written by another import")
    assert out.read_bytes() == CONTENT


@needs_root
@pytest.mark.parametrize(("megabytes", "left"), [(8, []), (32, [".disk.img.journal", "disk.img"])])
def test_a_tight_volume_is_for_the_disk(megabytes: int, left: list[str], server: Faulty, tmp_path: Path) -> None:
    with mounted("tmpfs", tmp_path / "volume", f"size={megabytes}m") as volume:
        assert imported(server.url, volume / "disk.img", connections=1).error == "transient"
        assert sorted(os.listdir(volume)) == left
        assert imported(server.url, volume / "disk.img", connections=1).succeeded
        assert (volume / "disk.img").read_bytes() == CONTENT


def overwritten(backing: Path, content: bytes, offset: int) -> None:
    with backing.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@needs_root
@pytest.mark.parametrize(
    ("meanwhile", "uid", "goes_on"),
    [
        (lambda backing: None, "1", True),
        (lambda backing: overwritten(backing, b"\xff" * MIB, 4 * MIB), "1", True),
        (lambda backing: overwritten(backing, b"\xff" * MIB, 0), "1", False),
        (lambda backing: overwritten(backing, b"0" * 8, 30), "1", False),
        (lambda backing: None, "2", False),
    ],
    ids=["nothing", "scribbled", "another disk", "another attempt's mark", "another job"],
)
def test_a_device_and_its_journal(
    meanwhile: Callable[[Path], None], uid: str, goes_on: bool, server: Faulty, tmp_path: Path
) -> None:
    backing, directory, path = tmp_path / "backing", tmp_path / "journal", tmp_path / "device"
    backing.write_bytes(b"\xa5" * 8 * MIB)
    directory.mkdir()

    def attempt(uid: str) -> Report:
        with loop_device(backing) as device:
            # As in a pod, where it has the same name each time; another test may have taken the number meanwhile.
            path.symlink_to(device)
            target = Target(str(path), "Block", 0, journal_dir=str(directory))
            report = run(Job(Source("http", server.url), target, owner_uid=uid, connections=1), Progress(), {})
        path.unlink()
        return report

    assert attempt("1").error == "transient"
    head = backing.read_bytes()[:MIB]
    assert head.startswith(b"cdi-importer: import ")
    assert not any(head[512:])
    meanwhile(backing)
    report = attempt(uid)
    assert report.message == "Import Complete"
    assert (report.resumed_bytes > 0, report.source_bytes < len(CONTENT) - MIB) == (goes_on, goes_on)
    assert backing.read_bytes()[: len(CONTENT)] == CONTENT
    assert os.listdir(directory) == []
