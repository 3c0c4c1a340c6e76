"""Sizes, zeros, progress and what is shown of it: pure functions as tables."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer_image.display import bar, eta, size
from importer_image.errors import Permanent
from importer_image.metrics import exposition
from importer_image.progress import Progress, Snapshot
from importer_image.target.space import disk_bytes, require_room, usable_bytes, whole_sectors
from importer_image.target.writer import ZERO_GRAIN_BYTES, all_zero, split_zeros
from importer_image.terminal import byte_count, kind_and_url

MIB = 1 << 20
GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "golden-vectors.json").read_text())


@pytest.mark.parametrize("vector", GOLDEN["overhead"], ids=lambda v: f"{v['Size']} {v['Overhead']}")
def test_usable_bytes_of_the_reference(vector: dict[str, float]) -> None:
    assert usable_bytes(int(vector["Size"]), str(vector["Overhead"])) == vector["Usable"]


@pytest.mark.parametrize(
    ("virtual", "requested", "available", "overhead", "size"),
    [
        (10, 0, 100 * MIB, "0.06", 10),
        (10, 100 * MIB, 100 * MIB, "0", 100 * MIB),
        (10, 1 << 30, 1 << 30, "0.06", 1012924416),
        (10, 100 * MIB, 50 * MIB, "0", 50 * MIB),
        (99 * MIB, 100 * MIB, 100 * MIB, "0.06", 99 * MIB),
    ],
)
def test_size_of_the_disk(virtual: int, requested: int, available: int, overhead: str, size: int) -> None:
    assert disk_bytes(virtual, requested, available, overhead) == size


def test_room() -> None:
    """The texts of the reference, literal texts 2.4."""
    require_room(42949672960, 42949672960)
    with pytest.raises(Permanent) as found:
        require_room(52949672960, 42949672960)
    assert found.value.text == (
        "virtual image size 52949672960 is larger than the reported available storage 42949672960. "
        "A larger PVC is required"
    )


@pytest.mark.parametrize(("length", "whole"), [(0, 0), (1, 512), (512, 512), (513, 1024)])
def test_whole_sectors(length: int, whole: int) -> None:
    assert whole_sectors(length) == whole


GRAIN = ZERO_GRAIN_BYTES
on_any_machine = settings(deadline=None)
parts = st.lists(st.tuples(st.booleans(), st.sampled_from([1, 100, 4096, GRAIN - 1, GRAIN, 3 * GRAIN])), max_size=6)


@on_any_machine
@given(st.sampled_from([0, 1, GRAIN - 1, GRAIN, 5 * GRAIN + 7]), parts)
def test_zeros_are_found_at_whole_grains(offset: int, found: list[tuple[bool, int]]) -> None:
    data = b"".join((b"\0" if zero else b"x") * length for zero, length in found)
    runs = list(split_zeros(offset, data))
    assert b"".join(bytes(view) for _, view, _ in runs) == data
    place = offset
    for index, (start, view, zero) in enumerate(runs):
        assert start == place
        assert zero is False or not any(view)
        assert index == 0 or (start % GRAIN == 0 and runs[index - 1][2] is not zero)
        place += len(view)
    for start in range(-offset % GRAIN, len(data) - GRAIN + 1, GRAIN):
        if not any(data[start : start + GRAIN]):
            assert any(zero and at <= offset + start < at + len(view) for at, view, zero in runs)


@pytest.mark.parametrize("length", [0, 1, 64, 65, 4096, GRAIN])
def test_all_zero(length: int) -> None:
    assert all_zero(memoryview(bytes(length)))
    for at in {0, length // 2, length - 1} if length else ():
        data = bytearray(length)
        data[at] = 1
        assert not all_zero(memoryview(data))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.total_bytes = 1000
    for _ in range(10):
        clock.now += 1
        progress.came_in(50)
    now = progress.snapshot()
    assert (now.percent, now.speed, now.average, now.eta_s) == (50.0, 50.0, 50.0, 10.0)
    for _ in range(4):
        clock.now += 1
        progress.came_in(100)
    now = progress.snapshot()
    assert (now.percent, now.speed, round(now.average, 1)) == (90.0, 90.0, 64.3)
    progress.came_in(100)
    assert (progress.snapshot().percent, progress.snapshot().eta_s) == (99.99, 0.0)
    progress.done()
    assert progress.snapshot().percent == 100.0


def test_speed_falls_when_nothing_comes() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.total_bytes = 1000
    clock.now += 1
    progress.came_in(500)
    clock.now += 100
    assert (progress.snapshot().speed, progress.snapshot().eta_s) == (0.0, None)


def test_stages() -> None:
    clock = Clock()
    progress = Progress(clock)

    def items() -> object:
        for number in range(3):
            clock.now += 2
            yield number

    with progress.stage("transfer"):
        for _ in progress.watched(items(), "fetch", "write"):  # type: ignore[arg-type]
            assert progress.snapshot().stage == "transfer"
            clock.now += 1
    assert progress.rounded_stages() == {"fetch": 6.0, "write": 3.0, "transfer": 9.0}
    assert progress.snapshot().stage == "start"


HALF = Snapshot(
    "transfer", 500_000_000, 1_000_000_000, 2_000_000, 5.0, 100e6, 100e6, format="qcow2", virtual_bytes=20_000_000_000
)
UNKNOWN = Snapshot("transfer", 1234, None, 0, 1.0, 0.0, 0.0)


def test_metrics_as_the_reference_names_them() -> None:
    text = exposition(HALF, "some-uid")
    pattern = r'(kubevirt_cdi_import_progress_total)\{ownerUID="some-uid"\} (\d{1,3}\.?\d*)'
    assert re.findall(pattern, text) == [("kubevirt_cdi_import_progress_total", "50")]
    assert 'kubevirt_cdi_import_eta_seconds{ownerUID="some-uid"} 5\n' in text
    assert 'kubevirt_cdi_import_source_bytes_total{ownerUID="some-uid"} 500000000\n' in text
    assert 'kubevirt_cdi_import_speed_bytes_per_second{ownerUID="some-uid"} 100000000\n' in text
    assert 'kubevirt_cdi_import_virtual_size_bytes{ownerUID="some-uid"} 20000000000\n' in text
    assert 'kubevirt_cdi_import_info{ownerUID="some-uid",stage="transfer",format="qcow2"} 1\n' in text
    assert "progress_total{" not in exposition(UNKNOWN, "some-uid")


def test_bar() -> None:
    assert bar(HALF) == "[############            ]  50.0 %   500.0 MB   100.0 MB/s  00:05  transfer"
    assert bar(UNKNOWN).startswith("[                        ]   ?  %     1.2 kB")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.5e9, "1.5 GB"), (2e15, "2000.0 TB")]
)
def test_size(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("left", "text"), [(0, "00:00"), (61, "01:01"), (3700, "1:01:40")])
def test_eta(left: int, text: str) -> None:
    assert eta(Snapshot("transfer", 0, left, 0, 1.0, 1.0, 1.0)) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4096", 4096),
        ("10Ki", 10240),
        ("10k", 10000),
        ("1G", 10**9),
        ("1Gi", 1 << 30),
        ("1.5Gi", 3 << 29),
        ("2Ti", 2 << 40),
    ],
)
def test_byte_count(text: str, count: int) -> None:
    assert byte_count(text) == count


@pytest.mark.parametrize("text", ["", "Gi", "10GB", "-1", "0", "1.5", "ten", "10i", "10 Gi"])
def test_no_byte_count(text: str) -> None:
    with pytest.raises(Exception, match="no "):
        byte_count(text)


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("http://host/x", "http", "http://host/x"),
        ("HTTPS://host/x", "http", "HTTPS://host/x"),
        ("docker://quay.io/a/b:1", "registry", "docker://quay.io/a/b:1"),
        ("oci-archive:/path/to/it.tar", "registry", "oci-archive:/path/to/it.tar"),
        ("imageio+https://host/api", "imageio", "https://host/api"),
        ("vddk+https://host/sdk", "vddk", "https://host/sdk"),
        ("-", "stdin", ""),
    ],
)
def test_source(text: str, kind: str, url: str) -> None:
    assert kind_and_url(text) == (kind, url)


@pytest.mark.parametrize("text", ["", "host/x", "/path", "ftp://host/x", "docker", "no+https://host"])
def test_no_source(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is no source"):
        kind_and_url(text)
