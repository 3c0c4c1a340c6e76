"""A loop device may be gone, or be somebody else's, the moment after it was looked at: many attach."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.csi import loop
from tests.e2e.csi import devices


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[loop.Loop]:
    """A device over a file of 1 MiB, which the test may detach."""
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    device = loop.attach(image)
    yield device
    loop.detach(device)


def test_what_is_known_of_a_device_is_known_when_it_is_gone(attached: loop.Loop) -> None:
    loop.detach(attached)
    devices.wait_for_none(Path(attached.backing))
    assert attached.stays
    assert attached.device_number
    assert loop.standing_on(attached) == []


def test_one_that_is_gone_is_grown_flushed_and_detached_without_a_word(attached: loop.Loop) -> None:
    loop.detach(attached)
    loop.grow(attached)
    loop.flush(attached)
    loop.detach(attached)


def test_a_number_that_somebody_else_has_by_now_is_left_alone(attached: loop.Loop, tmp_path: Path) -> None:
    loop.detach(dataclasses.replace(attached, backing=str(tmp_path / "what was here before")))
    assert loop.find(Path(attached.backing)) == attached


def test_a_device_held_for_a_moment_goes_with_its_last_user(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    with loop.held(image) as device:
        assert not device.stays
        assert loop.attach(image) == device
        assert [found.stays for found in loop.attached() if found == device] == [True]
        loop.detach(device)
        assert [found.stays for found in loop.attached() if found == device] == [False]
    devices.wait_for_none(image)
