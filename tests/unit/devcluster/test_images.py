"""The names that `load` promises are those under which containerd will know the images."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devcluster.errors import DevclusterError
from devcluster.images import names_in


def archive(path: Path, files: dict[str, Any]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            text = json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return path


def index(*annotations: dict[str, str]) -> dict[str, Any]:
    return {"index.json": {"manifests": [{"annotations": each} for each in annotations]}}


OCI, CONTAINERD = "org.opencontainers.image.ref.name", "io.containerd.image.name"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (index({OCI: "localhost/a:1"}, {OCI: "localhost/b:2"}), ["localhost/a:1", "localhost/b:2"]),
        (index({OCI: "1", CONTAINERD: "localhost/a:1"}), ["localhost/a:1"]),
        (index({OCI: "1"}), []),
        (index({}), []),
        ({"manifest.json": [{"RepoTags": ["a:1", "b:2"]}, {"RepoTags": None}]}, ["a:1", "b:2"]),
        # docker save writes both; containerd reads the index.
        (
            {"manifest.json": [{"RepoTags": ["old:1"]}]} | index({CONTAINERD: "docker.io/library/a:1"}),
            ["docker.io/library/a:1"],
        ),
    ],
)
def test_names(tmp_path: Path, files: dict[str, Any], wanted: list[str]) -> None:
    assert names_in(archive(tmp_path / "image.tar", files)) == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not a file"),
        (b"\x7fELF", "is not an OCI or docker archive"),
        (b"", "is not an OCI or docker archive"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "image.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DevclusterError, match=said):
        names_in(path)


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DevclusterError, match=r"has no index\.json or manifest\.json"):
        names_in(archive(tmp_path / "image.tar", {"holiday.json": {}}))
