"""What may happen to the driver and its machine, and what must come of it: nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from devcluster.csi import clean, loop, mounts
from devcluster.csi.generated import pluginregistration_pb2 as registration
from devcluster.csi.generated.pluginregistration_pb2_grpc import RegistrationStub
from tests.e2e.csi import devices
from tests.e2e.csi.driver import Driver


def reboot(driver: Driver) -> None:
    """What a reboot takes away: the process, the mounts and the loop devices, but no file."""
    driver.stop(signal.SIGKILL)
    for device in loop.attached():
        if device.backing.startswith(str(driver.data / "pool" / "volumes")):
            for mount in reversed(mounts.of(device)):
                mounts.unmount(Path(mount.target))
            loop.detach(device)
            clean.wait_until_gone(device)
    mounts.unmount(driver.data / "pool")


def test_a_killed_driver_leaves_its_users_alone(driver: Driver) -> None:
    files, device = driver.create("files"), driver.create("device", block=True)
    directory, node = driver.publish(files), driver.publish(device, block=True)
    with (directory / "file").open("wb", buffering=0) as file, node.open("r+b", buffering=0) as raw:
        driver.stop(signal.SIGKILL)
        file.write(b"while it was away")
        raw.write(b"while it was away")
        driver.socket.unlink()
        driver.start()
        file.write(b", and after")
        os.fsync(raw.fileno())
    # Everything is known again, and asking for it again changes nothing.
    assert driver.publish(files) == directory
    assert driver.publish(device, block=True) == node
    assert (directory / "file").read_bytes() == b"while it was away, and after"
    for volume in (files, device):
        driver.release(volume)
        driver.delete(volume)
    assert loop.find(driver.data / "pool.img")
    devices.wait_for_none(driver.data / "pool" / "volumes")


def test_a_reboot_is_healed(driver: Driver) -> None:
    files, device = driver.create("files"), driver.create("device", block=True)
    directory, node = driver.publish(files), driver.publish(device, block=True)
    (directory / "file").write_bytes(b"content")
    with node.open("r+b") as raw:
        raw.write(b"content")
    reboot(driver)
    # The kubelet's directories survive too: an empty directory and an empty file where volumes were.
    assert directory.is_dir()
    assert node.is_file()
    driver.start()
    assert (driver.publish(files) / "file").read_bytes() == b"content"
    with driver.publish(device, block=True).open("rb") as raw:
        assert raw.read(7) == b"content"


def test_the_kubelet_may_clean_up_after_a_reboot(driver: Driver) -> None:
    files, device = driver.create("files"), driver.create("device", block=True)
    paths = driver.publish(files), driver.publish(device, block=True)
    reboot(driver)
    driver.start()
    for volume in (files, device):
        driver.release(volume)
        driver.delete(volume)
    assert not any(path.exists() for path in paths)


def test_half_made_volumes_are_swept_away(driver: Driver) -> None:
    kept = driver.create("kept")
    driver.stop(signal.SIGKILL)
    volumes = driver.data / "pool" / "volumes"
    before = set(os.listdir(volumes))
    for name in ("vol-1.img.tmp", "vol-2.img", "vol-3.json.tmp"):
        (volumes / name).write_bytes(b"{")
    driver.start()
    assert set(os.listdir(volumes)) == before
    driver.publish(kept)


def test_a_half_made_pool_is_made_again(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver()
    driver.stop()
    clean.clean(driver.data)
    driver.data.mkdir()
    (driver.data / "pool.tmp").write_bytes(b"half")
    driver.start()
    driver.create("volume")


def test_clean_takes_away_what_is_in_use(driver: Driver) -> None:
    driver.publish(driver.create("files"))
    node = driver.publish(driver.create("device", block=True), block=True)
    # As the kubelet does, which then was killed.
    shown = subprocess.run(["losetup", "--find", "--show", node], capture_output=True, text=True, check=True)
    held = next(found for found in loop.attached() if found.device == shown.stdout.strip())
    driver.stop(signal.SIGKILL)
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "devcluster.csi", "clean", "--data", driver.data], check=True)
        assert not driver.data.exists()
        assert held not in loop.attached(), "the number may be somebody else's by now, not so the file"


def test_one_driver_a_directory(driver: Driver) -> None:
    command = [sys.executable, "-m", "devcluster.csi", "driver", "--endpoint", f"unix://{driver.home}/other.sock"]
    command += ["--node-id", "node-1", "--data", str(driver.data), "--kubelet-root", str(driver.home / "kubelet")]
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr == f"error: another driver serves {driver.data}: stop it, or give another --data\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_kubelet_finds_the_driver_again(driver: Driver, number: int) -> None:
    driver.restart(number)
    socket = driver.home / "kubelet/plugins_registry/rook-ceph.rbd.csi.ceph.com-reg.sock"
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        kubelet = RegistrationStub(channel)
        # The kubelet waits for the socket, too: it comes after that of the driver.
        found = kubelet.GetInfo(registration.InfoRequest(), wait_for_ready=True, timeout=30)
        kubelet.NotifyRegistrationStatus(registration.RegistrationStatus(plugin_registered=True))
    assert (found.type, found.name) == ("CSIPlugin", "rook-ceph.rbd.csi.ceph.com")
    assert (found.endpoint, list(found.supported_versions)) == (str(driver.socket), ["1.0.0"])
