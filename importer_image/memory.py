"""How much memory this process may use: what is faster with more of it asks here first."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress

CGROUPS = "/sys/fs/cgroup"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 32 << 20


def keep_freed() -> None:
    """For whoever decodes into buffers that come and go: the C library keeps up to KEPT_BYTES of them for the next.

    Otherwise every buffer of 1 MiB is mapped, zeroed page by page and unmapped again. Measured on raw.zst: a tenth of
    all processor time, for 3 MiB more at the peak.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # glibc
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def limit_bytes(groups: str = "/proc/self/cgroup", mounted: str = CGROUPS) -> int:
    """The least of what the machine has and of what the cgroups of this process and those around them allow."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError), open(groups, encoding="utf-8") as file:
        for line in file:
            for path in _files_of(line.rstrip("\n"), mounted):
                # "max" in version 2, which has no number; absent where a group is not ours to see.
                with suppress(OSError, ValueError), open(path, encoding="utf-8") as limit:
                    limits.append(int(limit.read()))
    return min(limits)


def _files_of(line: str, mounted: str) -> Iterator[str]:
    """Of one line `number:controllers:path`. In a container the path may be the host's, and what is mounted ours."""
    _, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    if controllers == "memory":
        root, name = f"{mounted}/memory", "memory.limit_in_bytes"
    elif not controllers:
        root, name = mounted, "memory.max"
    else:
        return
    steps = [step for step in path.split("/") if step]
    for depth in range(len(steps) + 1):
        yield "/".join((root, *steps[:depth], name))
