"""An image that is piped into the importer: every format on a pure stream, and what breaks off is never called done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from importer_image.errors import Transient
from importer_image.source.feed import PREFIX_BYTES, Feed
from tests.images import MIB, disk, identical, qcow2, squeezed
from tests.transfer.test_process import COMMAND


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disk(tmp_path_factory.mktemp("feed") / "source.raw", 5 * MIB + 512)


FORMS: dict[str, Callable[[Path], Path]] = {
    "raw": lambda raw: raw,
    "qcow2": lambda raw: qcow2(raw, raw.with_suffix(".qcow2"), packed=True),
    "raw.gz": lambda raw: squeezed(raw, "gzip", "-1"),
}


def piped(image: Path, out: Path) -> subprocess.CompletedProcess[str]:
    with subprocess.Popen(["cat", image], stdout=subprocess.PIPE) as cat:
        return subprocess.run([*COMMAND, "-", out], stdin=cat.stdout, capture_output=True, text=True)


def redirected(image: Path, out: Path) -> subprocess.CompletedProcess[str]:
    with image.open("rb") as file:
        return subprocess.run([*COMMAND, "-", out], stdin=file, capture_output=True, text=True)


@pytest.mark.parametrize("way", [piped, redirected])
@pytest.mark.parametrize("form", FORMS)
def test_fed(
    way: Callable[[Path, Path], subprocess.CompletedProcess[str]], form: str, raw: Path, tmp_path: Path
) -> None:
    image, out = FORMS[form](raw), tmp_path / "disk.img"
    done = way(image, out)
    assert (done.returncode, f"{form} image" in done.stderr) == (0, True), done.stderr
    assert identical(raw, out)


@pytest.mark.parametrize("came", [0, PREFIX_BYTES - 1, PREFIX_BYTES, 3 * MIB])
def test_what_breaks_off(came: int) -> None:
    """The end of the pipe comes before the end that was announced."""
    reading, writing = os.pipe()
    with subprocess.Popen(["head", "-c", str(came), "/dev/urandom"], stdout=writing):
        os.close(writing)
        with pytest.raises(Transient, match=rf"the upload broke off: unexpected EOF after {came} of {came + 1} bytes"):
            for _ in Feed("the upload", lambda view: os.readv(reading, [view]), came + 1, lambda count: None).stream():
                pass
    os.close(reading)


def test_what_cannot_be_read() -> None:
    directory = os.open("/", os.O_RDONLY)
    with pytest.raises(Transient, match="the upload broke off: Is a directory"):
        Feed("the upload", lambda view: os.readv(directory, [view]), None, lambda count: None)
    os.close(directory)
