"""Processes are known by pid, start time and boot, so that `down` never ends somebody else's."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import processes


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(processes, "PIDS", tmp_path / "pids")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "log")
    yield
    processes.kill(process.pid for process in processes.recorded().values() if process.alive())


def start(name: str, *argv: str) -> processes.Process:
    return processes.start(name, argv, dict(os.environ), Path("/"), "digest")


@pytest.mark.usefixtures("records")
def test_a_started_process_is_recorded_marked_and_ended() -> None:
    process = start("sleeper", "sleep", "60")
    assert processes.recorded() == {"sleeper": process}
    assert process.alive()
    assert os.getsid(process.pid) == process.pid
    processes.stop(process)
    assert not process.alive()
    assert processes.recorded() == {}


@pytest.mark.usefixtures("records")
def test_a_process_that_ignores_sigterm_is_killed() -> None:
    process = start("stubborn", "sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; wait")
    while "ready" not in processes.log_tail("stubborn"):
        assert process.alive()
    processes.stop(process, grace_s=0.2)
    assert not process.alive()
    processes.kill(pid for pid, name in processes.marked().items() if name == "stubborn")


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "another boot"}])
def test_a_record_of_another_process_with_this_pid_ends_nobody(change: dict[str, object]) -> None:
    process = start("sleeper", "sleep", "60")
    reused = replace(process, **change)  # type: ignore[arg-type]
    assert not reused.alive()
    processes.stop(reused)
    assert process.alive()
    processes.end(process.pid, process.start_ticks, grace_s=5)


@pytest.mark.usefixtures("records")
def test_a_process_without_a_record_is_found_by_its_mark(tmp_path: Path) -> None:
    process = start("forgotten", "sleep", "60")
    assert process.pid not in processes.strays()
    (tmp_path / "pids" / "forgotten.json").unlink()
    assert processes.strays()[process.pid] == "forgotten"
    processes.kill([process.pid])
    assert process.pid not in processes.marked()


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.start_ticks(child.pid) is None


def test_this_process_has_a_start_time() -> None:
    assert processes.start_ticks(os.getpid()) == processes.start_ticks(os.getpid()) != None  # noqa: E711


def test_a_changed_input_changes_the_fingerprint(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("a")
    before = processes.fingerprint(["program", "--flag"], [config])
    assert processes.fingerprint(["program", "--flag"], [config]) == before
    assert processes.fingerprint(["program", "--other"], [config]) != before
    config.write_text("b")
    assert processes.fingerprint(["program", "--flag"], [config]) != before


@pytest.mark.usefixtures("records")
def test_a_crash_can_be_asked_for() -> None:
    process = start("sleeper", "sleep", "60")
    processes.stop(process, first=signal.SIGKILL)
    assert not process.alive()
