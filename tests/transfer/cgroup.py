"""A memory limit for one process, page cache included, in whichever version of cgroups the machine has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
IS_V1 = V1.is_dir()
LIMIT, EVENTS = ("memory.limit_in_bytes", "memory.oom_control") if IS_V1 else ("memory.max", "memory.events")

needs_cgroup = pytest.mark.skipif(
    os.geteuid() != 0 or not (IS_V1 or "memory" in (V2 / "cgroup.subtree_control").read_text()),
    reason="makes memory cgroups: run as root, with the memory controller",
)


@dataclass(frozen=True)
class Group:
    home: Path

    def entered(self, command: Sequence[str]) -> list[str]:
        return ["sh", "-c", f'echo $$ > {self.home}/cgroup.procs; exec "$@"', "sh", *command]

    @property
    def killed(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        found = re.search(r"^oom_kill (\d+)$", (self.home / EVENTS).read_text(), re.MULTILINE)
        assert found
        return int(found[1])


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Group]:
    group = Group((V1 if IS_V1 else V2) / f"importer-test-{os.getpid()}")
    group.home.mkdir()
    try:
        (group.home / LIMIT).write_text(str(limit_bytes))
        yield group
    finally:
        group.home.rmdir()
