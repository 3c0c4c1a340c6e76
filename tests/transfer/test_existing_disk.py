"""A delta over a disk that is there: what it mentions is changed to the byte, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer_image.errors import Permanent
from importer_image.extent import Extent
from importer_image.job import Target
from importer_image.target import kernel, open_target
from tests.images import KIB, MIB
from tests.transfer.devices import loop_device, needs_root

SIZE = 4 * MIB
BEFORE = bytes(range(1, 256)) * (SIZE // 255) + bytes(SIZE % 255)
DELTAS = {
    "data": [(64 * KIB, b"new" * 5000)],
    "zeros in whole blocks": [(MIB, MIB)],
    "zeros at odd places": [(MIB + 1, 300 * KIB), (3 * MIB - 7, 13)],
    "zeros within a block": [(100, 50)],
    "data that holds zeros": [(MIB, b"a" * 64 * KIB + bytes(128 * KIB) + b"b" * 64 * KIB)],
    "the last byte": [(SIZE - 1, b"!")],
    "nothing": [],
    "all": [(0, SIZE)],
}


def no_holes(fd: int, offset: int, length: int) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.fixture(params=["file", pytest.param("device", marks=needs_root)])
def there(request: pytest.FixtureRequest, out: Path) -> Iterator[Target]:
    out.write_bytes(BEFORE)
    if request.param == "file":
        yield Target(str(out.parent), "Filesystem", 0, file=out.name)
        return
    with loop_device(out) as device:
        yield Target(device, "Block", 0)


@pytest.mark.parametrize("holes", [kernel.punch_hole, no_holes])
@pytest.mark.parametrize("delta", DELTAS.values(), ids=DELTAS)
def test_only_what_changed(
    delta: list[tuple[int, bytes | int]],
    holes: Callable[[int, int, int], None],
    there: Target,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel, "punch_hole", holes)
    wanted = bytearray(BEFORE)
    disk = open_target(there, over_existing=True)
    disk.begin(SIZE)
    for offset, what in delta:
        data, length = (None, what) if isinstance(what, int) else (what, len(what))
        disk.write(Extent(offset, length, data))
        wanted[offset : offset + length] = data or bytes(length)
    disk.finish(SIZE)
    disk.close()
    assert out.read_bytes() == wanted


@pytest.mark.parametrize(("preallocate", "storage"), [(False, SIZE - 2 * MIB), (True, SIZE)])
def test_zeros_have_storage_only_where_that_was_asked_for(preallocate: bool, storage: int, out: Path) -> None:
    out.write_bytes(BEFORE)
    disk = open_target(
        Target(str(out.parent), "Filesystem", 0, preallocate=preallocate, file=out.name), over_existing=True
    )
    disk.write(Extent(MIB, 2 * MIB, None))
    disk.finish(SIZE)
    disk.close()
    assert out.stat().st_blocks * 512 == storage


def test_a_disk_is_neither_grown_nor_removed(out: Path) -> None:
    out.write_bytes(BEFORE)
    disk = open_target(Target(str(out.parent), "Filesystem", 8 * MIB, file=out.name), over_existing=True)
    with pytest.raises(Permanent, match="larger than the reported available storage"):
        disk.begin(SIZE + 512)
    disk.discard()
    disk.close()
    assert out.read_bytes() == BEFORE
