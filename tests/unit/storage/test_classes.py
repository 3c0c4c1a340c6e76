"""The StorageClass of a claim that names none."""

import pytest

from cdi_operator.api.annotations import DEFAULT_CLASS, DEFAULT_VIRT_CLASS
from cdi_operator.storage.classes import choose_class, default_class


def cls(name, *marks, created="2025-01-01T00:00:00Z"):
    annotations = dict.fromkeys(marks, "true")
    return {"metadata": {"name": name, "creationTimestamp": created, "annotations": annotations}}


PLAIN = cls("plain")
DEFAULT = cls("default", DEFAULT_CLASS)
NEWER = cls("newer", DEFAULT_CLASS, created="2025-02-01T00:00:00Z")
AS_NEW = cls("as-new", DEFAULT_CLASS, created="2025-02-01T00:00:00Z")
VIRT = cls("virt", DEFAULT_VIRT_CLASS)
NOT_ANY_MORE = {"metadata": {"name": "off", "annotations": {DEFAULT_CLASS: "false"}}}
BARE = {"metadata": {"name": "bare"}}


@pytest.mark.parametrize(
    ("classes", "for_disk", "wanted"),
    [
        ([], True, None),
        ([PLAIN, BARE, NOT_ANY_MORE], True, None),
        ([PLAIN, DEFAULT], True, "default"),
        ([DEFAULT, VIRT], True, "virt"),
        ([DEFAULT, VIRT], False, "default"),
        ([VIRT], False, None),
        ([DEFAULT, NEWER], True, "newer"),
        ([NEWER, DEFAULT, AS_NEW], True, "as-new"),
    ],
)
def test_default(classes, for_disk, wanted):
    chosen = default_class(classes, for_disk)
    assert (chosen and chosen["metadata"]["name"]) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("plain", PLAIN), (None, DEFAULT), ("gone", None), ("", None)],
)
def test_choice(name, wanted):
    assert choose_class([PLAIN, DEFAULT], name) == wanted
