"""Labels and annotations for all workers, as CDIConfig's annotations give them, and what is not valid of them."""

import json

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows import custom


@pytest.mark.parametrize(
    ("text", "wanted", "told"),
    [
        ("", {}, "not a JSON object"),
        ("{", {}, "not a JSON object"),
        ('["a"]', {}, "not a JSON object"),
        ("[" * 100_000, {}, "not a JSON object"),
        ("{}", {}, ""),
        ('{"team":"storage","example.com/exclude":""}', {"team": "storage", "example.com/exclude": ""}, ""),
        ('{"team":"a b","cost":"x"}', {"cost": "x"}, "'team': 'a b' is not valid"),
        ('{"team":1}', {}, "'team': 1 is not valid"),
        ('{"-team":"a"}', {}, "'-team': 'a' is not valid"),
        ('{"Example.com/a":"a"}', {}, "'Example.com/a': 'a' is not valid"),
        (json.dumps({"a" * 63: "b" * 63}), {"a" * 63: "b" * 63}, ""),
        (json.dumps({"a": "b" * 64}), {}, "is not valid"),
        ('{"a":"\\n"}', {}, "is not valid"),
    ],
)
def test_labels(text, wanted, told):
    settings = {names.WORKER_LABELS: text}
    assert custom.worker_labels(settings) == wanted
    assert told in custom.complaint(settings)
    assert bool(told) == bool(custom.complaint(settings))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"sidecar.istio.io/inject":"true","note":"any text, also: long"}', None),
        ('{"note":1}', {}),
        ('{"two words":"a"}', {}),
    ],
)
def test_annotations(text, wanted):
    settings = {names.WORKER_ANNOTATIONS: text}
    assert custom.worker_annotations(settings) == (json.loads(text) if wanted is None else wanted)
    assert bool(custom.complaint(settings)) == (wanted is not None)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, ""),
        ({"other": "x"}, ""),
        ({names.MAX_TRANSFERS: "3", names.MAX_TRANSFERS_PER_NODE: "0"}, ""),
        ({names.MAX_TRANSFERS: "-3"}, f"{names.MAX_TRANSFERS}: '-3' is no number"),
        (
            {names.MAX_TRANSFERS: "x", names.WORKER_LABELS: "x"},
            f"{names.MAX_TRANSFERS}: 'x' is no number; {names.WORKER_LABELS}: not a JSON object",
        ),
    ],
)
def test_complaint(settings, told):
    assert custom.complaint(settings) == told
