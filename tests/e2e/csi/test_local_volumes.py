"""The volumes of the provisioner without CSI on disk: made, shown again after a reboot, and gone without a trace."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.csi import loop, mounts
from devcluster.csi.clean import clean
from devcluster.csi.errors import CsiError
from devcluster.csi.local_volumes import Shelf
from devcluster.csi.requests import SizeRange
from tests.e2e.csi import devices

MIB = 1 << 20
SIZE = SizeRange(64 * MIB)

each_mode = pytest.mark.parametrize("block", [False, True], ids=["filesystem", "block"])


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.fail("the storage of the dev cluster mounts volumes: run these tests as root")
    yield tmp_path / "data"
    clean(tmp_path / "data")
    devices.wait_for_none(tmp_path)


def file_of(path: Path, block: bool) -> Path:
    return path if block else path / "file"


@each_mode
def test_the_same_volume_is_made_once(data: Path, block: bool) -> None:
    shelf = Shelf.open(data)
    path, size_bytes = shelf.make("pvc-1", SIZE, block=block)
    assert size_bytes == 64 * MIB
    assert stat.S_ISBLK(path.stat().st_mode) is block
    file_of(path, block).write_bytes(b"content")
    assert shelf.make("pvc-1", SIZE, block=block) == (path, size_bytes)
    assert file_of(path, block).open("rb").read(7) == b"content"


@each_mode
def test_a_reboot_is_healed(data: Path, block: bool) -> None:
    path, _ = Shelf.open(data).make("pvc-1", SIZE, block=block)
    file_of(path, block).write_bytes(b"content")
    for device in loop.attached():
        if device.backing.startswith(str(data)):
            mounts.unmount(path)
            if block:
                loop.detach(device)
    Shelf.open(data)
    assert file_of(path, block).open("rb").read(7) == b"content"


@each_mode
def test_removed_twice(data: Path, block: bool) -> None:
    shelf = Shelf.open(data)
    path, _ = shelf.make("pvc-1", SIZE, block=block)
    for _ in range(2):
        shelf.remove("pvc-1")
        assert not path.exists()
        assert shelf.volumes() == frozenset()
        devices.wait_for_none(data)


def test_the_disk_has_an_end(data: Path) -> None:
    with pytest.raises(CsiError, match="not enough free space"):
        Shelf.open(data).make("pvc-1", SizeRange(1 << 50), block=True)


def test_half_made_images_are_swept_away(data: Path) -> None:
    Shelf.open(data)
    (data / "images" / "pvc-1.tmp").write_bytes(b"half")
    assert Shelf.open(data).volumes() == frozenset()
