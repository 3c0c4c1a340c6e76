"""The cluster's processes: each runs in a session of its own, outlives `up`, and is ended by pid and start time only.

A pid alone can belong to somebody else after a crash or a reboot, so the record also holds the start time in clock
ticks since boot (field 22 of /proc/PID/stat) and the boot id. Every process also carries a mark in its environment:
it finds the ones whose record was lost, and the shims that containerd started for us.
"""

import hashlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster.layout import LOGS, PIDS

MARK = "CDI_DEVCLUSTER_PROCESS"
SHIM = "containerd-shim-runc-v2"


@dataclass(frozen=True)
class Process:
    """One started process: `start_ticks` is its start time in clock ticks since boot; see `fingerprint`."""

    name: str
    pid: int
    start_ticks: int
    boot_id: str
    fingerprint: str

    def alive(self) -> bool:
        """Whether exactly this process still runs (a zombie does not)."""
        return self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks


def boot_id() -> str:
    """The kernel's identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Start time of `pid` in clock ticks since boot; None when there is no such process or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def fingerprint(argv: Sequence[str], inputs: Iterable[Path]) -> str:
    """A digest of a command line and the files it reads: when it changes, the process runs on old settings."""
    digest = hashlib.sha256("\0".join(argv).encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def recorded() -> dict[str, Process]:
    """Every process on record, by name, alive or not."""
    found = {}
    for path in sorted(PIDS.glob("*.json")):
        with suppress(ValueError, TypeError):
            process = Process(**json.loads(path.read_text()))
            found[process.name] = process
    return found


def start(name: str, argv: Sequence[str], env: Mapping[str, str], cwd: Path, digest: str) -> Process:
    """Start `argv` in a session of its own with its output appended to LOGS/name.log, and record it."""
    LOGS.mkdir(parents=True, exist_ok=True)
    PIDS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / f"{name}.log", "ab") as log:
        child = subprocess.Popen(
            argv,
            env={**env, MARK: name},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    process = Process(name, child.pid, start_ticks(child.pid) or 0, boot_id(), digest)
    partial = PIDS / f"{name}.partial"
    partial.write_text(json.dumps(asdict(process)))
    partial.rename(PIDS / f"{name}.json")
    return process


def stop(process: Process, grace_s: float = 10, first: signal.Signals = signal.SIGTERM) -> None:
    """End exactly this process: `first`, then SIGKILL after `grace_s` seconds; forget its record."""
    if process.alive():
        end(process.pid, process.start_ticks, grace_s, first)
    (PIDS / f"{process.name}.json").unlink(missing_ok=True)


def end(pid: int, ticks: int, grace_s: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Signal `pid` through a pidfd, so that a reused pid is never hit, and wait until it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_ticks(pid) != ticks:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, first)
            if not select.select([handle], [], [], grace_s)[0]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], 10)
    finally:
        os.close(handle)


def marked() -> dict[int, str]:
    """Every live process that carries our mark: pid to the component that it, or an ancestor, was started as."""
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        with suppress(OSError):
            for entry in (directory / "environ").read_bytes().split(b"\0"):
                if entry.startswith(f"{MARK}=".encode()) and start_ticks(int(directory.name)) is not None:
                    found[int(directory.name)] = entry.partition(b"=")[2].decode()
    return found


def strays() -> dict[int, str]:
    """Components that run but are not on record, because `up` was killed before it wrote them down."""
    known = {process.pid for process in recorded().values() if process.alive()}
    return {
        pid: name
        for pid, name in marked().items()
        if pid not in known and _leads_session(pid) and Path(_argv0(pid)).name != SHIM
    }


def kill(pids: Iterable[int]) -> None:
    """SIGKILL every one of `pids` and wait until each is gone."""
    for pid in pids:
        if (ticks := start_ticks(pid)) is not None:
            end(pid, ticks, grace_s=10, first=signal.SIGKILL)


def log_tail(name: str, lines: int = 12) -> str:
    """The last lines that the process wrote."""
    with suppress(OSError):
        return "\n".join((LOGS / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
    return "(no log)"


def _leads_session(pid: int) -> bool:
    with suppress(OSError):
        return os.getsid(pid) == pid
    return False


def _argv0(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    return ""
