"""What a controller process costs, as the kernel and its own counters tell it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    now_mib: float
    peak_mib: float


def memory(pid: int) -> Memory:
    status = Path(f"/proc/{pid}/status").read_text()
    resident, peak = (
        int(re.findall(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[0]) for field in ("VmRSS", "VmHWM")
    )
    return Memory(resident * 1024 / MIB, peak * 1024 / MIB)


def cpu_s(pid: int) -> float:
    """User and system time since it started."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S
