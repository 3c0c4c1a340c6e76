"""Archives that tar wrote, unpacked over a real server; and those that reach out of the directory."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from importer_image.job import Job, Report, Source, Target
from importer_image.pipeline import run
from importer_image.progress import Progress
from tests.archives import END, member
from tests.images import MIB, squeezed
from tests.transfer.devices import mounted, needs_root
from tests.transfer.webserver import WebServer

UNTAR = (
    "Unable to process data: Unable to transfer source data to target directory: unable to untar files from endpoint: "
)


def unpacked(url: str, directory: Path, **source: Any) -> Report:
    target = Target(str(directory), "Filesystem", 0)
    return run(Job(Source("http", url, **source), target, "archive"), Progress(), {})


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    path.mkdir()
    path.chmod(0o2770)
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something of everything that a tar may hold for us."""
    root = tmp_path_factory.mktemp("tree")
    (root / "data" / "deep" / "er").mkdir(parents=True)
    (root / "data" / "file").write_bytes(os.urandom(MIB + 5))
    (root / "data" / "empty").touch()
    (root / "data" / "deep" / "script").write_text("#!/bin/sh\n")
    (root / "data" / "deep" / "script").chmod(0o4751)
    (root / "data" / "größer").write_text("more")
    os.link(root / "data" / "file", root / "data" / "deep" / "same")
    (root / "data" / "deep" / "link").symlink_to("../file")
    with (root / "holes").open("wb") as file:
        file.seek(4 * MIB)
        file.write(b"in the middle")
        file.truncate(9 * MIB)
    (root / "shut").mkdir()
    (root / "shut" / "inside").write_text("inside")
    (root / "shut").chmod(0o500)
    for path in (*root.rglob("*"),):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    return root


def packed(tree: Path, path: Path, *options: str) -> Path:
    subprocess.run(["tar", "-C", tree, *options, "-cf", path, "."], check=True)
    return path


def listing(root: Path) -> dict[str, object]:
    """All that is preserved, by name."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            found[str(path.relative_to(root))] = os.readlink(path)
        elif path.is_dir():
            found[str(path.relative_to(root))] = (mode, status.st_mtime)
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = (mode & 0o777, status.st_mtime, status.st_nlink, digest)
    return found


@pytest.mark.parametrize(
    ("options", "squeezers"),
    [
        (["--format=gnu", "--sparse"], []),
        (["--format=pax", "--sparse"], ["gzip -1"]),
        (["--format=pax", "--sparse", "--sparse-version=0.0"], ["xz -0"]),
        (["--format=pax", "--sparse", "--sparse-version=0.1"], ["bzip2 -1"]),
        (["--format=gnu", "--sparse"], ["zstd -1", "gzip -1"]),
        (["--format=v7"], ["zstd -1"]),
        (["--format=ustar"], ["gzip -1"]),
    ],
    ids=" ".join,
)
def test_what_tar_packs(options: list[str], squeezers: list[str], web: WebServer, tree: Path, volume: Path) -> None:
    path = packed(tree, web.files / "tree.tar", *options)
    for squeezer in squeezers:
        path = squeezed(path, *squeezer.split())
    report = unpacked(web.url(path), volume)
    assert (report.message, report.format[:3]) == ("Import Complete", "tar")
    assert listing(volume) == listing(tree)
    assert ((volume / "holes").stat().st_blocks < 100) is ("--sparse" in options)
    assert stat.S_IMODE(volume.stat().st_mode) == 0o2770, "that of the volume, not that of the archive"


def test_once_more_over_what_is_there(web: WebServer, tree: Path, volume: Path) -> None:
    """As a restarted import does: what the archive has is replaced, all else stays."""
    url = web.url(packed(tree, web.files / "tree.tar"))
    assert unpacked(url, volume).succeeded
    (volume / "data" / "empty").write_text("no longer")
    (volume / "data" / "größer").unlink()
    (volume / "data" / "größer").mkdir()
    (volume / "data" / "mine").write_text("mine")
    assert unpacked(url, volume).succeeded
    (volume / "data" / "mine").unlink()
    os.utime(volume / "data", (1_600_000_000, 1_600_000_000))
    assert listing(volume) == listing(tree)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (member("out/file", b"x"), "'out' leads through 'out', which is a link or a file"),
        (member("out/a/b", kind=b"5"), "'out/a' leads through 'out', which is a link or a file"),
        (member("l", kind=b"2", link="out") + member("l/file", b"x"), "'l' leads through 'l', which is a link"),
        (member("l", kind=b"2", link=".") + member("l/file", b"x"), "'l' leads through 'l', which is a link"),
        (member("f", b"x") + member("f/file", b"x"), "'f' leads through 'f', which is a link or a file"),
        (member("h", kind=b"1", link="out/precious"), "'out' leads through 'out', which is a link or a file"),
        (member("h", kind=b"1", link="out"), "member 'h' is a hard link to 'out', which is no file that came before"),
        (member("h", kind=b"1", link="x/y"), "member 'h' is a hard link to 'x/y', which is no file that came before"),
        (member("d/", kind=b"5") + member("h", kind=b"1", link="d"), "which is no file that came before"),
        (member("d/f", b"x") + member("d", b"x"), "volume/d: directory not empty"),
        (member("/" + "n", b"x"), "member '/n' has an absolute path"),
        (member("../n", b"x"), "member '../n' has a path with .. in it"),
        (member("pipe", kind=b"6"), "member 'pipe' is a named pipe"),
        (member("n" * 99, b"") + b"x", "the archive is broken"),
    ],
)
def test_nothing_outside_is_touched(content: bytes, text: str, web: WebServer, volume: Path) -> None:
    """The volume has a link out of it, whoever made that."""
    outside = volume.parent / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    (volume / "out").symlink_to(outside)
    (web.files / "hostile.tar").write_bytes(content + END)
    report = unpacked(web.url("hostile.tar"), volume)
    assert (report.error, report.message[: len(UNTAR)]) == ("permanent", UNTAR)
    assert text in report.message
    assert listing(outside).keys() == {"precious"}
    assert {path.name for path in volume.parent.iterdir()} == {"outside", "volume"}
    assert (outside / "precious").stat().st_nlink == 1


def test_a_link_is_replaced_not_written_through(web: WebServer, volume: Path) -> None:
    outside = volume.parent / "outside"
    outside.write_text("precious")
    for name in ("file", "directory", "link"):
        (volume / name).symlink_to(outside)
    parts = member("file", b"x"), member("directory/", kind=b"5"), member("link", kind=b"2", link="file")
    (web.files / "replace.tar").write_bytes(b"".join(parts) + END)
    assert unpacked(web.url("replace.tar"), volume).succeeded
    assert outside.read_text() == "precious"
    assert not (volume / "file").is_symlink()
    assert (volume / "directory").is_dir()
    assert os.readlink(volume / "link") == "file"


@needs_root
def test_a_volume_that_is_too_small(web: WebServer, tree: Path, tmp_path: Path) -> None:
    path = packed(tree, web.files / "tree.tar", "--sparse")
    with mounted("tmpfs", tmp_path / "small", "size=1m") as volume:
        report = unpacked(web.url(path), volume)
    assert report.message.startswith(UNTAR)
    assert report.message.endswith(": no space left on device")


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (
            Job(Source("blank"), Target("/", "Filesystem", 0), "archive"),
            "SourceType cannot be blank and the contentType",
        ),
        (
            Job(Source("http"), Target("/dev/x", "Block", 0), "archive"),
            "ContentType Archive cannot have block volumeMode",
        ),
    ],
)
def test_what_cannot_be(job: Job, text: str) -> None:
    report = run(job, Progress(), {})
    assert report.message.startswith(f"Unable to process data: {text}")
    assert report.error == "permanent"


@pytest.mark.parametrize(("digest", "error"), [("", ""), ("0" * 64, "fatal")])
def test_checksum(digest: str, error: str, web: WebServer, tree: Path, volume: Path) -> None:
    """Also of what lies behind the end mark."""
    path = squeezed(packed(tree, web.files / "tree.tar", "--sparse"), "gzip", "-1")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert unpacked(web.url(path), volume, checksum=f"sha256:{digest or right}").error == error
