"""Sizes: every vector of the reference, and what must hold for any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi_operator.storage import sizes
from tests.unit.storage.golden import VECTORS

MIB = sizes.MIB


@pytest.mark.parametrize("case", VECTORS["round"], ids=lambda case: f"{case['N']}/{case['M']}")
def test_round(case):
    assert sizes.round_down(case["N"], case["M"]) == case["Down"]
    assert sizes.round_up(case["N"], case["M"]) == case["Up"]


@pytest.mark.parametrize("case", VECTORS["overhead"], ids=lambda case: f"{case['Size']}@{case['Overhead']}")
def test_overhead(case):
    overhead = str(case["Overhead"])
    assert sizes.usable_bytes(case["Size"], overhead) == case["Usable"]
    assert sizes.required_bytes(case["Size"], overhead) == case["Require"]


overheads = st.decimals(0, 1, places=3).map(str)


@given(st.integers(0, 1 << 62), overheads)
def test_a_claim_of_the_required_size_holds_the_image(size, overhead):
    assert sizes.usable_bytes(sizes.required_bytes(size, overhead), overhead) >= size


@pytest.mark.parametrize(
    ("target_overhead", "scratch_overhead", "wanted_mib"),
    [("0.03", "0.03", 1024), ("0.03", "0.1", 1094), ("0.1", "0.03", 958)],
)
def test_scratch(target_overhead, scratch_overhead, wanted_mib):
    assert sizes.scratch_bytes(1024 * MIB, target_overhead, scratch_overhead) == wanted_mib * MIB


@pytest.mark.parametrize(
    ("request_", "minimum", "wanted"),
    [
        ("1Gi", "4Gi", "4Gi"),
        ("5Gi", "4Gi", "5Gi"),
        ("1Gi", None, "1Gi"),
        ("1Gi", "", "1Gi"),
        ("1Gi", "bla", "1Gi"),
        ("1024Mi", "1Gi", "1024Mi"),
    ],
)
def test_minimum_size(request_, minimum, wanted):
    assert sizes.at_least(request_, minimum) == wanted


def test_default_overhead():
    assert VECTORS["defaultOverhead"] == sizes.DEFAULT_OVERHEAD
