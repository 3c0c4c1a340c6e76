"""Quantities, as Kubernetes reads and writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi_operator.storage.quantity import (
    QuantityError,
    format_binary,
    format_decimal,
    max_quantity,
    min_quantity,
    parse_quantity,
)
from tests.unit.storage.golden import VECTORS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        (1073741824, 1 << 30),
        ("1Gi", 1 << 30),
        ("1G", 10**9),
        ("10Ki", 10240),
        ("10k", 10000),
        ("1.5Gi", 3 << 29),
        (".5Mi", 1 << 19),
        ("1.", 1),
        ("1Ei", 1 << 60),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e3", 1000),
        ("12e-1", 2),
        ("100m", 1),
        ("1500m", 2),
        ("1u", 1),
        ("1n", 1),
        ("-1500m", -2),
        ("+5", 5),
        ("100Ei", 2**63 - 1),
        ("1e99", 2**63 - 1),
    ],
)
def test_parse(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text", ["", "Gi", "1gi", "1 Gi", "abc", "1Gb", "--1", "1.2.3", "1e", "\u0661Gi", "0x10", True, None]
)
def test_not_a_quantity(text):
    with pytest.raises(QuantityError, match=r"quantities must match the regular expression"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "decimal", "binary"),
    [
        (0, "0", "0"),
        (1000, "1k", "1000"),
        (10**9, "1G", "1000000000"),
        (1 << 30, "1073741824", "1Gi"),
        (1536 << 20, "1610612736", "1536Mi"),
        (1138166334, "1138166334", "1138166334"),
    ],
)
def test_format(value, decimal, binary):
    assert format_decimal(value) == decimal
    assert format_binary(value) == binary


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_reads_back(value):
    assert parse_quantity(format_decimal(value)) == value
    assert parse_quantity(format_binary(value)) == value


@pytest.mark.parametrize("case", VECTORS["minQuantity"], ids=lambda case: f"{case['A']}-{case['B']}")
def test_min(case):
    assert min_quantity(case["A"], case["B"]) == case["Out"]
    assert max_quantity(case["A"], case["B"]) == ({case["A"], case["B"]} - {case["Out"]}).pop()
