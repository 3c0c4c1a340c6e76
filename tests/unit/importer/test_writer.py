"""When a disk that is being written is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from importer_image.target.writer import Writer


@pytest.mark.parametrize(
    ("steps", "syncs"),
    [
        ("s", 1),  # what made the target ready is waited for, too
        ("ws", 1),
        ("wss", 1),  # nothing was written since
        ("wsws", 2),
        ("wwwsss", 1),
        ("sts", 2),  # changed by other means than a write
        ("zs", 1),  # zeros that were really written
    ],
)
def test_settling_waits_only_for_what_was_changed(
    steps: str, syncs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, synced = os.fdatasync, list[int]()

    def counted(fd: int) -> None:
        synced.append(fd)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", counted)
    writer = Writer(os.open(tmp_path / "disk", os.O_RDWR | os.O_CREAT))
    act = {
        "w": lambda: writer.write(0, b"data"),
        "z": lambda: writer.write_zeros(0, 4096),
        "t": writer.touched,
        "s": writer.settle,
    }
    for step in steps:
        act[step]()
    writer.close()
    assert len(synced) == syncs


def test_a_write_while_it_settles_is_settled_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(os.open(tmp_path / "disk", os.O_RDWR | os.O_CREAT))
    sync, synced = os.fdatasync, list[int]()

    def slow(fd: int) -> None:
        sync(fd)
        if not synced:
            writer.write(0, b"after the disk was asked")
        synced.append(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    writer.settle()
    writer.settle()
    writer.settle()
    writer.close()
    assert len(synced) == 2
