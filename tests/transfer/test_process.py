"""The command itself, as a process: in a pod and on a terminal, when it is killed, and how small it is."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from importer_image import pipeline
from importer_image.job import Job, Report
from importer_image.main import exit_code
from importer_image.progress import Progress
from importer_image.terminal import at_terminal
from tests.images import MIB, disk, identical, qcow2, qemu_img
from tests.ports import free_port
from tests.transfer.cgroup import memory_limit, needs_cgroup
from tests.transfer.faulty import Fault, faulty
from tests.transfer.imports import job
from tests.transfer.webserver import WebServer

COMMAND = [sys.executable, "-I", "-c", "import sys; from importer_image.main import main; sys.exit(main())"]
CONTENT = b"\xeb\x63\x90" + os.urandom(6 * MIB)


class Pod:
    """The importer as the operator starts it."""

    def __init__(self, task: Job, home: Path) -> None:
        self.message = home / "termination-log"
        self.log = home / "log"
        environment = {**os.environ, "CDI_JOB": task.to_json(), "CDI_TERMINATION_LOG": str(self.message)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*COMMAND, "-v=1"], env=environment, stderr=log)

    def ended(self) -> int:
        return self.process.wait(timeout=60)

    @property
    def report(self) -> Report:
        return Report.from_json(self.message.read_text())


def with_metrics(task: Job, port: int) -> Job:
    return Job(task.source, task.target, owner_uid="some-uid", metrics_port=port)


@pytest.fixture(scope="module")
def image(web: WebServer) -> Path:
    return qcow2(disk(web.files / "process.raw", 4 * MIB), web.files / "process.qcow2")


@pytest.mark.parametrize(
    ("path", "source", "code", "error", "message"),
    [
        ("process.qcow2", {}, 0, "", "Import Complete"),
        ("none", {}, 1, "permanent", "Unable to connect to http data source: expected status code 200, got 404"),
        ("process.qcow2", {"checksum": f"md5:{'0' * 32}"}, 0, "fatal", "checksum validation failed: checksum mismatch"),
    ],
    ids=["done", "permanent", "fatal"],
)
def test_in_a_pod(
    path: str, source: Mapping[str, Any], code: int, error: str, message: str, web: WebServer, image: Path, out: Path
) -> None:
    pod = Pod(job(web.url(path), out, **source), out.parent.parent)
    assert pod.ended() == code
    assert message in pod.report.message
    assert pod.report.error == error
    assert out.exists() is (error == "")
    assert "Traceback" not in pod.log.read_text()


def test_success_in_a_pod_says_so_in_log_and_report(web: WebServer, image: Path, out: Path) -> None:
    pod = Pod(job(web.url(image), out), out.parent.parent)
    assert pod.ended() == 0
    assert f"Successfully completed fsync({out}) syscall" in pod.log.read_text()
    assert (pod.report.format, pod.report.virtual_size_bytes) == ("qcow2", 4 * MIB)
    assert set(pod.report.stage_seconds) == {"connect", "inspect", "fetch", "write", "transfer", "sync"}


def test_a_transient_error_in_a_pod(out: Path) -> None:
    pod = Pod(job(f"http://127.0.0.1:{free_port()}/x", out), out.parent.parent)
    assert (pod.ended(), pod.report.error) == (75, "transient")


def test_a_job_that_is_none(tmp_path: Path) -> None:
    environment = {**os.environ, "CDI_JOB": "{}", "CDI_TERMINATION_LOG": str(tmp_path / "message")}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert "CDI_JOB is not a job" in (tmp_path / "message").read_text()


@contextmanager
def held_up(task: Callable[[str], Job], home: Path) -> Iterator[tuple[Pod, Callable[[], None]]]:
    """A pod in the middle of its transfer: the server does not go on before it is told to."""
    go_on, waiting = Event(), Event()

    def hold() -> None:
        waiting.set()
        go_on.wait(30)

    with faulty(CONTENT, [Fault(), Fault(), Fault(meanwhile=hold)]) as server:
        pod = Pod(task(server.url), home)
        try:
            assert waiting.wait(30)
            yield pod, go_on.set
        finally:
            go_on.set()
            if pod.process.poll() is None:
                pod.process.kill()
            pod.process.wait()


def test_metrics_of_a_running_import(out: Path) -> None:
    port = free_port()
    with held_up(lambda url: with_metrics(job(url, out), port), out.parent.parent) as (pod, go_on):
        text = fetched(f"https://127.0.0.1:{port}/metrics")
        percent = re.search(r'kubevirt_cdi_import_progress_total\{ownerUID="some-uid"\} (\d{1,3}\.?\d*)', text)
        assert percent
        assert 0 < float(percent[1]) < 100
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetched(f"https://127.0.0.1:{port}/")
        go_on()
        assert pod.ended() == 0


def fetched(url: str) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return str(answer.read().decode())


def test_being_told_to_end(out: Path) -> None:
    with held_up(lambda url: job(url, out, connections=1), out.parent.parent) as (pod, _):
        # Over one connection, the second piece is not written before the first is known to be.
        while not out.exists() or out.stat().st_blocks * 512 < MIB:
            assert pod.process.poll() is None
            time.sleep(0.005)
        started = time.monotonic()
        pod.process.send_signal(signal.SIGTERM)
        assert pod.ended() == 75
        # What was written is brought to the disk first, however slow that is; the server is not waited for.
        assert time.monotonic() - started < 20
        assert (pod.report.error, pod.report.message) == (
            "transient",
            "Unable to process data: interrupted by SIGTERM",
        )
        assert sorted(os.listdir(out.parent)) == [".disk.img.journal", "disk.img"], "the next attempt goes on"


def test_being_killed_and_started_again(web: WebServer, image: Path, out: Path) -> None:
    with held_up(lambda url: job(url, out), out.parent.parent) as (pod, _):
        pod.process.kill()
        pod.ended()
    assert out.exists()
    with faulty(CONTENT) as server:
        again = Pod(job(server.url, out), out.parent.parent)
        assert again.ended() == 0
    assert out.read_bytes() == CONTENT + bytes(-len(CONTENT) % 512)
    assert list(out.parent.iterdir()) == [out]


def command(*arguments: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, **settings)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--help"], 0, "Exit code: 0 done, 1 permanent error, 75 transient error"),
        ([], 2, "the following arguments are required: SOURCE, TARGET"),
        (["{image}", "{out}", "--size", "huge"], 2, "'huge' is no size; write it like 10Gi"),
        (["{none}", "{out}"], 1, "There is no such file on the server"),
        (["http://127.0.0.1:{closed}/x", "{out}"], 75, "connection refused"),
        (["{image}", "{out}"], 0, "qcow2 image, disk of 4.2 MB: fetched"),
        (["{image}", "{out}", "--checksum", "md5:" + "0" * 32], 1, "checksum mismatch"),
        (["{image}", "{volume}", "--content-type", "archive"], 1, "this is not a tar archive"),
    ],
)
def test_on_a_terminal(
    arguments: list[str],
    code: int,
    text: str,
    web: WebServer,
    image: Path,
    out: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = {"image": web.url(image), "none": web.url("none"), "out": out, "volume": out.parent, "closed": free_port()}
    try:
        ended: object = exit_code(at_terminal([argument.format(**places) for argument in arguments]))
    except SystemExit as usage:
        ended = usage.code
    said = capfd.readouterr()
    assert ended == code
    assert text in " ".join((said.out + said.err).split())
    assert "Traceback" not in said.err


def test_a_bug_is_told_as_one(
    web: WebServer, image: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The traceback is for the log, not for the user."""
    monkeypatch.setattr(pipeline, "find_image", lambda *_: 1 / 0)
    report = pipeline.run(job(web.url(image), out), Progress(), {})
    assert report.message == "Unable to process data: internal error (ZeroDivisionError: division by zero)"
    assert report.error == "transient"
    assert "Traceback" in capfd.readouterr().err


def test_all_options(web: WebServer, image: Path, out: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = command(
        web.tls_url(image), out, "--size", "8Mi", "--cacert", web.certificates, "--header", "A: b", "--header", "C: d",
        "--connections", "2", "--preallocate", "--content-type", "kubevirt", "--json", report,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.stat().st_blocks * 512 >= out.stat().st_size == 8 * MIB
    assert json.loads(report.read_text())["virtualSizeBytes"] == 4 * MIB


def test_a_report_on_standard_output(web: WebServer, image: Path, out: Path) -> None:
    done = command(web.url(image), out.name, "--json", "-", cwd=out.parent)
    assert json.loads(done.stdout)["message"] == "Import Complete"
    assert identical(image, out)


@needs_cgroup
@pytest.mark.parametrize(("form", "way"), [("raw", ""), ("qcow2", "stream/"), ("vmdk", "")])
def test_96_mib_are_enough(form: str, way: str, web: WebServer, out: Path) -> None:
    """Page cache included, for a dense disk that is larger than that."""
    path = web.files / f"large.{form}"
    if form == "raw":
        path.write_bytes(os.urandom(16 * MIB) * 7)
    elif form == "qcow2":
        qcow2(web.files / "large.raw", path)
    else:
        text = web.files / "large.txt"  # Data that compresses is quicker to compress.
        text.write_bytes(os.urandom(4096) * 28_000)
        qemu_img("convert", "-f", "raw", "-O", form, "-o", "subformat=streamOptimized", text, path)
    with memory_limit(96 * MIB) as group:
        done = subprocess.run(
            group.entered([*COMMAND, web.url(path, way), str(out)]), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert group.killed == 0
    assert identical(path, out, form)
