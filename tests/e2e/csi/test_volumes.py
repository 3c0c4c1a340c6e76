"""What a volume of the dev cluster does for the program that uses it: what csi-sanity cannot see of a driver."""

import fcntl
import os
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from devcluster.csi import ext4, loop
from devcluster.csi.generated import csi_pb2 as csi
from tests.e2e.csi.driver import MIB, Access, Driver

BLKDISCARD, BLKZEROOUT = 0x1277, 0x127F  # linux/fs.h

each_mode = pytest.mark.parametrize("block", [False, True], ids=["filesystem", "block"])
each_copy = pytest.mark.parametrize("by", ["snapshot", "clone"])


def put(path: Path, block: bool, text: str) -> None:
    """Leave `text` on the volume as a program does that does not care about the page cache."""
    with (path if block else path / "file").open("r+b" if block else "wb") as file:
        file.write(text.encode())


def get(path: Path, block: bool, length: int) -> str:
    with (path if block else path / "file").open("rb") as file:
        return file.read(length).decode()


def size_of(path: Path, block: bool) -> int:
    if block:
        with path.open("rb") as device:
            return device.seek(0, os.SEEK_END)
    return os.statvfs(path).f_blocks * os.statvfs(path).f_frsize


def source(driver: Driver, volume: csi.Volume, by: str) -> csi.VolumeContentSource:
    if by == "clone":
        return csi.VolumeContentSource(volume={"volume_id": volume.volume_id})
    return csi.VolumeContentSource(snapshot={"snapshot_id": driver.snapshot("snapshot", volume).snapshot_id})


@each_copy
@each_mode
def test_copy_holds_what_was_written_and_no_more(driver: Driver, block: bool, by: str) -> None:
    volume = driver.create("original", block=block)
    path = driver.publish(volume, block=block)
    put(path, block, "before")
    copied_from = source(driver, volume, by)
    copy = driver.create("copy", block=block, source=copied_from)
    put(path, block, "after!")
    assert get(driver.publish(copy, block=block), block, 6) == "before"
    assert get(path, block, 6) == "after!"


@each_copy
@each_mode
def test_copy_may_be_larger(driver: Driver, block: bool, by: str) -> None:
    volume = driver.create("original", 64 * MIB, block=block)
    path = driver.publish(volume, block=block)
    put(path, block, "content")
    copy = driver.create("copy", 256 * MIB, block=block, source=source(driver, volume, by))
    larger = driver.publish(copy, block=block)
    assert copy.capacity_bytes == 256 * MIB
    assert size_of(larger, block) > size_of(path, block) + 128 * MIB
    assert get(larger, block, 7) == "content"


@each_copy
def test_copy_may_not_be_smaller(driver: Driver, by: str) -> None:
    volume = driver.create("original", 64 * MIB)
    with pytest.raises(grpc.RpcError) as refused:
        driver.create("copy", 32 * MIB, source=source(driver, volume, by))
    assert refused.value.code() == grpc.StatusCode.OUT_OF_RANGE


def test_snapshot_outlives_its_volume(driver: Driver) -> None:
    volume = driver.create("original")
    put(driver.publish(volume), False, "content")
    restored_from = source(driver, volume, "snapshot")
    driver.release(volume)
    driver.delete(volume)
    assert get(driver.publish(driver.create("restored", source=restored_from)), False, 7) == "content"


def test_block_volume_grows_under_its_user(driver: Driver) -> None:
    volume = driver.create("volume", 64 * MIB, block=True)
    with driver.publish(volume, block=True).open("rb") as device:
        answer = driver.expand(volume, 128 * MIB)
        assert not answer.node_expansion_required
        assert device.seek(0, os.SEEK_END) == 128 * MIB


def test_filesystem_grows_at_the_next_mount(driver: Driver) -> None:
    volume = driver.create("volume", 64 * MIB)
    path = driver.publish(volume)
    put(path, False, "content")
    before = size_of(path, False)
    driver.release(volume)
    assert driver.expand(volume, 192 * MIB).node_expansion_required
    path = driver.publish(volume)
    driver.grow_on_node(volume, path)
    assert size_of(path, False) > before + 96 * MIB
    assert get(path, False, 7) == "content"


def test_filesystem_grows_under_its_user_where_the_machine_lets_it(driver: Driver) -> None:
    volume = driver.create("volume", 64 * MIB)
    path = driver.publish(volume)
    before = size_of(path, False)
    driver.expand(volume, 192 * MIB)
    if ext4.may_grow_mounted():
        driver.grow_on_node(volume, path)
    else:
        with pytest.raises(grpc.RpcError) as refused:
            driver.grow_on_node(volume, path)
        # The code that makes the kubelet wait for the end of the pod instead of trying again and again.
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        driver.release(volume)
        driver.publish(volume)
    assert size_of(path, False) > before + 96 * MIB


def test_filesystem_that_cannot_use_all_is_no_reason_to_grow(driver: Driver) -> None:
    # The last MiB would be a block group of its own, too small to hold anything: mkfs leaves it out.
    volume = driver.create("volume", 1025 * MIB)
    driver.grow_on_node(volume, driver.publish(volume))


def test_full_filesystem_says_so_and_harms_nobody_else(driver: Driver) -> None:
    full, other = (driver.publish(driver.create(name, 32 * MIB)) for name in ("full", "other"))
    with pytest.raises(OSError, match="No space left on device"):
        (full / "file").write_bytes(os.urandom(64 * MIB))
    put(other, False, "content")


def test_filesystem_has_overhead_and_lost_and_found(driver: Driver) -> None:
    path = driver.publish(driver.create("volume", 1024 * MIB))
    assert 0.9 * 1024 * MIB < os.statvfs(path).f_bavail * os.statvfs(path).f_frsize < 0.99 * 1024 * MIB
    assert os.listdir(path) == ["lost+found"]


def test_pool_has_an_end(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver("--capacity", "512Mi")
    available = driver.controller.GetCapacity(csi.GetCapacityRequest()).available_capacity
    assert 400 * MIB < available < 512 * MIB
    with pytest.raises(grpc.RpcError) as refused:
        driver.create("volume", available + MIB)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    driver.create("volume", available - MIB)


@pytest.mark.parametrize("order", [BLKDISCARD, BLKZEROOUT], ids=["discard", "zero-out"])
def test_block_volume_zeroes(driver: Driver, order: int) -> None:
    volume = driver.create("volume", 64 * MIB, block=True)
    path = driver.publish(volume, block=True)
    with path.open("r+b", buffering=0) as device:
        device.write(b"\xff" * (8 * MIB))
        os.fsync(device.fileno())
        fcntl.ioctl(device, order, struct.pack("=QQ", 0, 4 * MIB))
        device.seek(0)
        assert device.read(8 * MIB) == bytes(4 * MIB) + b"\xff" * (4 * MIB)
        os.fsync(device.fileno())
    if order == BLKDISCARD:
        assert driver.stats(volume, path).usage[0].used == 4 * MIB


@each_mode
def test_published_read_only(driver: Driver, block: bool) -> None:
    volume = driver.create("volume", block=block)
    writer = driver.publish(volume, "writer", block=block)
    put(writer, block, "content")
    os.sync()
    reader = driver.publish(volume, "reader", block=block, readonly=True)
    assert get(reader, block, 7) == "content"
    with pytest.raises(OSError, match=r"Read-only|not permitted|Permission"):
        put(reader, block, "changed")
    driver.unpublish(volume, "reader")
    driver.release(volume, "writer")
    driver.delete(volume)


def test_block_volume_has_many_writers(driver: Driver) -> None:
    volume = driver.create("volume", block=True)
    one, two = (driver.publish(volume, pod, block=True, mode=Access.MULTI_NODE_MULTI_WRITER) for pod in ("one", "two"))
    put(one, True, "content")
    assert get(two, True, 7) == "content"


def test_volume_in_use_is_not_deleted(driver: Driver) -> None:
    volume = driver.create("volume")
    driver.publish(volume)
    with pytest.raises(grpc.RpcError) as refused:
        driver.delete(volume)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    driver.release(volume)
    driver.delete(volume)


def test_condition_of_a_volume(driver: Driver) -> None:
    volume = driver.create("volume")
    path = driver.publish(volume)
    assert not driver.stats(volume, path).volume_condition.abnormal
    device = loop.find(driver.data / "pool" / "volumes" / f"{volume.volume_id}.img")
    assert device
    Path(f"/sys/fs/ext4/{Path(device.device).name}/trigger_fs_error").write_text("for the test")
    # The kernel counts the error when its worker comes to write it down.
    deadline = time.monotonic() + 10
    while not driver.stats(volume, path).volume_condition.abnormal:
        assert time.monotonic() < deadline


def test_volumes_are_on_their_node_only(driver: Driver) -> None:
    elsewhere = csi.Topology(segments={"topology.rook-ceph.rbd.csi.ceph.com/node": "node-2"})
    request = csi.GetCapacityRequest(accessible_topology=elsewhere)
    assert driver.controller.GetCapacity(request).available_capacity == 0


def test_many_at_once(driver: Driver) -> None:
    with ThreadPoolExecutor(30) as pool:
        volumes = list(pool.map(lambda n: (n % 2 == 0, driver.create(f"volume-{n}", block=n % 2 == 0)), range(60)))
        paths = list(pool.map(lambda each: driver.publish(each[1], block=each[0]), volumes))
        for (block, volume), path in zip(volumes, paths, strict=True):
            put(path, block, volume.volume_id)
        for (block, volume), path in zip(volumes, paths, strict=True):
            assert get(path, block, len(volume.volume_id)) == volume.volume_id
        list(pool.map(lambda each: driver.release(each[1]), volumes))
        list(pool.map(lambda each: driver.delete(each[1]), volumes))
    with suppress(FileNotFoundError):
        assert os.listdir(driver.data / "pool" / "volumes") == []
