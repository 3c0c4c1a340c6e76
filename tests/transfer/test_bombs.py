"""What becomes or claims far more than it is costs neither memory nor disk, however it is packed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.images import MIB, empty_qcow2
from tests.transfer.cgroup import memory_limit, needs_cgroup
from tests.transfer.test_process import COMMAND
from tests.transfer.webserver import WebServer

MEMORY_BYTES = 96 * MIB
MEMBER_BYTES, MEMBERS = 16 * MIB, 1024
"""Compressed files may be put one after another: 16 GiB of zeros, made in no time."""

GZIP, ZSTD, XZ, BZIP2 = ("gzip", "-1"), ("zstd", "-1"), ("xz", "-0"), ("bzip2", "-9")


def bomb(*tools: Sequence[str]) -> Callable[[Path], Path]:
    """Packed by the first tool, and then the whole of it by the next."""

    def make(path: Path) -> Path:
        first, *more = tools
        content = packed(first, bytes(MEMBER_BYTES)) * MEMBERS
        for tool in more:
            content = packed(tool, content)
        path.write_bytes(content)
        return path

    return make


def packed(tool: Sequence[str], content: bytes) -> bytes:
    return subprocess.run([*tool, "-c"], input=content, check=True, capture_output=True).stdout


def claim(*options: str) -> Callable[[Path], Path]:
    return lambda path: empty_qcow2(path, "1P", *options)


@needs_cgroup
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(bomb(GZIP), id="gz"),
        pytest.param(bomb(ZSTD), id="zst"),
        pytest.param(bomb(XZ), id="xz"),
        pytest.param(bomb(BZIP2), id="bz2"),
        pytest.param(bomb(GZIP, XZ), id="gz.xz"),
        pytest.param(bomb(ZSTD, ZSTD), id="zst.zst"),
        pytest.param(claim("cluster_size=2M"), id="1 PiB"),
        pytest.param(claim(), id="1 PiB, table of 16 MiB"),
    ],
)
def test_it_costs_nothing(make: Callable[[Path], Path], web: WebServer, out: Path) -> None:
    image = make(web.files / "bomb")
    with memory_limit(MEMORY_BYTES) as group:
        command = group.entered([*COMMAND, web.url(image), str(out), "--size", "64Mi", "--json", "-"])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert group.killed == 0
    assert done.returncode == 1, done.stderr
    assert "is larger than the reported available storage" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(out.parent.iterdir()) == []
    assert json.loads(done.stdout).get("writtenBytes", 0) <= 64 * MIB
