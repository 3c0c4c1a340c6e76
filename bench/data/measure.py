"""One command, measured as a whole process by the operating system itself, in a memory cgroup where that is wanted."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 512
"""In which the kernel counts what a process has written."""
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Sample:
    seconds: float
    cpu_s: float
    peak_bytes: float
    """Of the largest single process, or of the whole cgroup, page cache included."""
    written_bytes: float
    fetched_bytes: float = 0


class Failed(Exception):
    """A command that is to be measured did not end well."""


@dataclass(frozen=True)
class Cgroup:
    """A memory limit for one command after the other, in the version of cgroups that this machine has."""

    home: Path

    @property
    def _v2(self) -> bool:
        return (self.home / "memory.max").exists()

    def limit(self, limit_bytes: int) -> None:
        (self.home / ("memory.max" if self._v2 else "memory.limit_in_bytes")).write_text(str(limit_bytes))

    def entered(self, command: Sequence[str]) -> list[str]:
        return ["sh", "-c", f'echo $$ > {self.home}/cgroup.procs; exec "$@"', "sh", *command]

    def peak_bytes(self) -> int:
        """0 where the kernel does not say (cgroup v2 before Linux 5.19)."""
        file = self.home / ("memory.peak" if self._v2 else "memory.max_usage_in_bytes")
        return int(file.read_text()) if file.exists() else 0


@contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[Cgroup]:
    """A fresh one. Raises SystemExit where this machine lets us have none."""
    parent = V1 if V1.is_dir() else V2
    group = Cgroup(parent / f"bench-{os.getpid()}-{time.monotonic_ns()}")
    try:
        group.home.mkdir()
        group.limit(limit_bytes)
    except OSError as error:
        raise SystemExit(f"no memory cgroup below {parent} ({error.strerror}): run as root") from error
    try:
        yield group
    finally:
        group.home.rmdir()


def measured(command: Sequence[str], limit_bytes: int = 0) -> Sample:
    """Run it to its end. Raises Failed."""
    if limit_bytes:
        with memory_cgroup(limit_bytes) as group:
            sample = _measured(group.entered(command))
            return Sample(sample.seconds, sample.cpu_s, group.peak_bytes(), sample.written_bytes)
    return _measured(command)


def _measured(command: Sequence[str]) -> Sample:
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise Failed(f"{' '.join(command)}: exit code {process.returncode}: {said.read().decode()[-600:]}")
    cpu_s = used.ru_utime + used.ru_stime
    return Sample(seconds, cpu_s, used.ru_maxrss << 10, used.ru_oublock * BLOCK_BYTES)


def median(samples: Sequence[Sample]) -> Sample:
    """Of each figure by itself."""
    columns = zip(*(vars(each).values() for each in samples), strict=True)
    return Sample(*map(statistics.median, columns))
