"""Our NBD client against Debian's nbdkit: what it reads, what it leaves out, and what it does when reading fails."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from importer_image.errors import Transient
from importer_image.source import patience, reader
from importer_image.source.nbd.connection import Connection
from importer_image.source.nbd.protocol import Run
from importer_image.source.nbd.reader import Reader
from tests.images import KIB, MIB, disk

SIZE = 9 * MIB + 512
RANGES = [(0, 3 * MIB), (4 * MIB + 5, 70 * KIB), (SIZE - 700, 700)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disk(tmp_path_factory.mktemp("nbd") / "disk.raw", SIZE)


@contextmanager
def serving(directory: Path, *arguments: str | Path) -> Iterator[Callable[[], Connection]]:
    """How to connect to an nbdkit with these arguments."""
    socket, pid_file = directory / "socket", directory / "pid"
    with subprocess.Popen(["nbdkit", "-f", "-r", "-U", socket, "-P", pid_file, *arguments]) as process:
        try:
            while not pid_file.exists():
                assert process.poll() is None
                time.sleep(0.005)
            yield lambda: Connection(str(socket))
        finally:
            process.terminate()


def read(connect: Callable[[], Connection], ranges: list[tuple[int, int]]) -> list[bytes]:
    """Each range as one."""
    counted: list[int] = []
    found = Reader(connect(), connect, counted.append)
    try:
        parts = [(offset, bytes(view)) for offset, view in found.slices(ranges)]
    finally:
        found.close()
    assert sum(counted) == sum(length for _, length in ranges)
    result = []
    for offset, length in ranges:
        result.append(b"")
        while len(result[-1]) < length:
            at, data = parts.pop(0)
            assert at == offset + len(result[-1])
            result[-1] += data
    assert not parts
    return result


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ([], []),
        (["-t", "1"], []),
        (["--filter=delay"], ["delay-read=20ms"]),
        # With more threads, nbdkit 1.32 crashes where a client leaves while it is being answered.
        (["-t", "1", "--filter=error"], ["error-pread-rate=20%"]),
        (["-t", "1", "--filter=error"], ["error=EPERM", "error-pread-rate=20%"]),
    ],
    ids=["plain", "one thread", "slow", "failing", "refusing"],
)
def test_ranges(
    options: list[str], parameters: list[str], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "READING", replace(patience.READING, attempts=30, first_s=0.001, longest_s=0.01))
    content = raw.read_bytes()
    with serving(tmp_path, *options, "file", raw, *parameters) as connect:
        assert read(connect, RANGES) == [content[start : start + length] for start, length in RANGES]
        assert read(connect, []) == []


def test_what_cannot_be_read(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "READING", replace(patience.READING, attempts=2, first_s=0.001))
    with (
        serving(tmp_path, "--filter=error", "file", raw, "error-pread-rate=100%") as connect,
        pytest.raises(Transient, match="read of 1048576 bytes at "),
    ):
        read(connect, RANGES)


def test_a_server_that_goes_away(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "READING", replace(patience.READING, attempts=2, first_s=0.001))
    with serving(tmp_path, "file", raw) as connect:
        connection = connect()
        connection.abort()
    with pytest.raises(Transient, match=r"the NBD server (has hung up|does not answer)"):
        read(lambda: connection, RANGES)


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        # This plugin keeps its data in pages of 32 KiB.
        (
            ["data", "size=3M", "@0x100000 1 @0x2fffff 1"],
            [(MIB, True), (32 * KIB, False), (2 * MIB - 64 * KIB, True), (32 * KIB, False)],
        ),
        (["--filter=noextents", "data", "size=3M", "@0x100000 1"], [(3 * MIB, False)]),
        (["memory", "6G"], [(6 << 30, True)]),
        (["null", "size=0"], []),
    ],
    ids=["data", "not known", "larger than one answer", "empty"],
)
def test_runs(arguments: list[str], runs: list[tuple[int, bool]], tmp_path: Path) -> None:
    with serving(tmp_path, *arguments) as connect:
        connection = connect()
        found = joined(connection.runs(0, connection.size_bytes))
        connection.close()
    assert found == [Run(*each) for each in runs]


def joined(runs: Iterator[Run]) -> list[Run]:
    found: list[Run] = []
    for run in runs:
        if found and found[-1].zero == run.zero:
            run = Run(found.pop().length + run.length, run.zero)
        found.append(run)
    return found


def test_a_server_that_is_too_old(raw: Path, tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--no-sr", "file", raw) as connect,
        pytest.raises(Transient, match="the NBD server refuses option 8"),
    ):
        connect()
