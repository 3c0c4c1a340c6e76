"""How much memory there is, in cgroups of both versions and in none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from importer_image.memory import limit_bytes
from importer_image.source.decompressed import pieces_ahead

MIB = 1 << 20
MACHINE_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        # version 1; a limit of its own, of a group around it, of what is mounted as a container's root
        ("5:memory:/a/b\n4:cpu:/x\n", {"memory/a/b/memory.limit_in_bytes": 64 * MIB}, 64 * MIB),
        ("5:memory:/a/b\n", {"memory/a/memory.limit_in_bytes": 64 * MIB}, 64 * MIB),
        ("5:memory:/kubepods/pod\n", {"memory/memory.limit_in_bytes": 64 * MIB}, 64 * MIB),
        ("5:memory:/\n", {"memory/memory.limit_in_bytes": 9223372036854771712}, MACHINE_BYTES),
        # version 2
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": 64 * MIB}, 64 * MIB),
        ("0::/\n", {"memory.max": 128 * MIB}, 128 * MIB),
        # of another controller, and none at all
        ("4:cpu:/a\n", {"memory/a/memory.limit_in_bytes": 64 * MIB}, MACHINE_BYTES),
        ("", {}, MACHINE_BYTES),
    ],
)
def test_limit(groups: str, files: dict[str, int | str], limit: int, tmp_path: Path) -> None:
    (tmp_path / "groups").write_text(groups)
    for name, content in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    assert limit_bytes(str(tmp_path / "groups"), str(tmp_path / "cgroup")) == limit
    assert limit_bytes(str(tmp_path / "none"), str(tmp_path / "cgroup")) == MACHINE_BYTES


@pytest.mark.parametrize(("memory", "pieces"), [(64, 4), (128, 4), (600, 18), (1024, 32), (64 << 10, 32)])
def test_decoded_ahead(memory: int, pieces: int) -> None:
    assert pieces_ahead(memory * MIB) == pieces
