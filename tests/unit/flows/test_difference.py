"""The patch from what is to what should be, and that it is one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdi_operator.flows.difference import changes, difference
from tests.unit.world import merge_patch


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ({}, {"a": ""}, {"a": ""}),
    ],
)
def test_difference(before, after, patch):
    assert difference(before, after) == patch


@pytest.mark.parametrize(
    ("before", "wanted", "patch"),
    [
        ({}, {}, {}),
        ({"a": "1", "b": "2"}, {"a": "1"}, {}),
        ({"a": "1"}, {"a": "2"}, {"a": "2"}),
        ({}, {"a": ""}, {"a": ""}),
        ({}, {"a": None}, {}),
        ({"a": "1"}, {"a": None}, {"a": None}),
    ],
)
def test_what_is_not_named_may_be_as_it_is(before, wanted, patch):
    assert changes(before, wanted) == patch


json = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
)
objects = st.dictionaries(st.sampled_from("xyz"), json, max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects, objects)
def test_it_leads_from_one_to_the_other(before, after):
    assert merge_patch(before, difference(before, after)) == after
    assert difference(after, after) == {}
