"""What is asked of the CSI driver, and what it makes of it."""

from collections.abc import Sequence

import pytest
from grpc import StatusCode

from devcluster.csi import requests
from devcluster.csi.errors import CsiError
from devcluster.csi.generated import csi_pb2 as csi
from devcluster.csi.records import Mode, Snapshot
from devcluster.csi.requests import Access, SizeRange

MIB = 1 << 20
GIB = 1 << 30
NOTHING: list[Snapshot] = []


def refused(code: StatusCode) -> pytest.RaisesExc[CsiError]:
    return pytest.raises(CsiError, check=lambda error: error.code is code)


@pytest.mark.parametrize(
    ("required_bytes", "limit_bytes", "at_least", "chosen_bytes"),
    [
        (GIB, 0, 0, GIB),
        (10**9, 0, 0, 954 * MIB),
        (1, 0, 0, MIB),
        (GIB, GIB, 0, GIB),
        (0, 0, 0, GIB),
        (0, 64 * MIB, 0, 64 * MIB),
        # From a source.
        (0, 0, 5 * GIB, 5 * GIB),
        (6 * GIB, 0, 5 * GIB, 6 * GIB),
    ],
)
def test_size(required_bytes: int, limit_bytes: int, at_least: int, chosen_bytes: int) -> None:
    assert SizeRange(required_bytes, limit_bytes).choose(at_least) == chosen_bytes


@pytest.mark.parametrize(
    ("required_bytes", "limit_bytes", "at_least"),
    [
        (GIB, 0, GIB + MIB),
        (0, GIB, 2 * GIB),
        (10**9, 10**9, 0),
    ],
    ids=["smaller than its source", "limit smaller than its source", "no whole MiB"],
)
def test_size_that_cannot_be(required_bytes: int, limit_bytes: int, at_least: int) -> None:
    with refused(StatusCode.OUT_OF_RANGE):
        SizeRange(required_bytes, limit_bytes).choose(at_least)


@pytest.mark.parametrize(("required_bytes", "limit_bytes"), [(-1, 0), (0, -1), (2, 1)])
def test_size_range_that_makes_no_sense(required_bytes: int, limit_bytes: int) -> None:
    with refused(StatusCode.INVALID_ARGUMENT):
        requests.size_range(csi.CapacityRange(required_bytes=required_bytes, limit_bytes=limit_bytes))


def block(mode: Access.Mode = Access.SINGLE_NODE_WRITER) -> csi.VolumeCapability:
    return csi.VolumeCapability(block={}, access_mode={"mode": mode})


def mount(mode: Access.Mode = Access.SINGLE_NODE_WRITER, fs_type: str = "") -> csi.VolumeCapability:
    return csi.VolumeCapability(mount={"fs_type": fs_type}, access_mode={"mode": mode})


@pytest.mark.parametrize(
    ("capabilities", "mode"),
    [
        ([mount()], "filesystem"),
        ([mount(fs_type="ext4")], "filesystem"),
        ([mount(Access.SINGLE_NODE_SINGLE_WRITER), mount(Access.MULTI_NODE_READER_ONLY)], "filesystem"),
        ([block()], "block"),
        ([block(Access.MULTI_NODE_MULTI_WRITER)], "block"),
    ],
)
def test_mode(capabilities: list[csi.VolumeCapability], mode: Mode) -> None:
    assert requests.common_mode(capabilities) == mode


@pytest.mark.parametrize(
    "capabilities",
    [
        [],
        [csi.VolumeCapability(access_mode={"mode": Access.SINGLE_NODE_WRITER})],
        [block(Access.UNKNOWN)],
        [block(), mount()],
        [mount(Access.MULTI_NODE_MULTI_WRITER)],
        [mount(fs_type="xfs")],
    ],
    ids=["none", "neither block nor mount", "no access mode", "both", "shared filesystem", "other filesystem"],
)
def test_capability_that_cannot_be(capabilities: list[csi.VolumeCapability]) -> None:
    with refused(StatusCode.INVALID_ARGUMENT):
        requests.common_mode(capabilities)


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        (csi.NodeStageVolumeRequest(), "volume_id"),
        (csi.NodeStageVolumeRequest(volume_id="v"), "staging_target_path"),
        (csi.NodeStageVolumeRequest(volume_id="v", staging_target_path="/s"), "volume_capability"),
    ],
)
def test_missing_field(request_: csi.NodeStageVolumeRequest, missing: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as error:
        requests.require(request_, "volume_id", "staging_target_path", "volume_capability")
    assert error.value.text == f"{missing} is missing"


def snapshot(number: int) -> Snapshot:
    return Snapshot(f"snap-{number:032x}", "name", "volume", MIB, 0)


def numbers(records: Sequence[Snapshot]) -> list[int]:
    return [int(record.id.removeprefix("snap-"), 16) for record in records]


def test_pages_together_are_everything() -> None:
    records = [snapshot(number) for number in range(7)]
    seen: list[int] = []
    token = ""
    for size in (3, 3, 1):
        page, token = requests.page(records, token, 3)
        assert len(page) == size
        seen += numbers(page)
    assert (seen, token) == (list(range(7)), "")


def test_page_without_a_limit_is_everything() -> None:
    assert requests.page([snapshot(1), snapshot(2)], "", 0) == ([snapshot(1), snapshot(2)], "")


def test_pages_neither_repeat_nor_hide_when_records_come_and_go() -> None:
    _, token = requests.page([snapshot(number) for number in (1, 3, 5, 7)], "", 2)
    rest, _ = requests.page([snapshot(number) for number in (0, 1, 5, 6, 7)], token, 0)
    assert numbers(rest) == [5, 6, 7]


@pytest.mark.parametrize("token", ["invalid-token", "3", "vol-"])
def test_token_that_was_not_given_out(token: str) -> None:
    with refused(StatusCode.ABORTED):
        requests.page(NOTHING, token, 0)


def test_negative_page() -> None:
    with refused(StatusCode.INVALID_ARGUMENT):
        requests.page(NOTHING, "", -1)
