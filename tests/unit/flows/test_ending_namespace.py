"""In a namespace that is being deleted nobody is told that nothing can be made there."""

import pytest

from cdi_operator.flows import datavolume, importer, populate
from cdi_operator.flows.actions import Create, Emit, PatchStatus
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    CSI,
    KEY,
    NAME,
    NS,
    PRIME,
    PRIME_KEY,
    SETTINGS,
    data_volume,
    import_source,
    prime,
    target,
)
from tests.unit.world import NOW, World

ENDS = "unable to create new content in namespace vms because it is being terminated"


@pytest.mark.parametrize(
    ("flow", "key", "objects", "refused"),
    [
        (datavolume, KEY, (data_volume(),), ("PersistentVolumeClaim", NS, NAME)),
        (populate, KEY, (import_source(), target()), ("PersistentVolumeClaim", NS, PRIME)),
        (importer, PRIME_KEY, (target(), prime("Bound")), ("Pod", NS, f"importer-{PRIME}")),
    ],
    ids=["datavolume", "populate", "importer"],
)
def test_nobody_is_told(flow, key, objects, refused):
    """But the object is asked for again: a namespace of that name may be made anew, and the refusal is remembered."""
    world = World(*CSI, *objects)
    world.refusals[refused] = Refusal(None, "Forbidden", ENDS, NOW)
    asked = flow.plan(flow.observe(world, key), SETTINGS, NOW)
    assert refused in [place(action.object) for action in asked if isinstance(action, Create)]
    assert not [action for action in asked if isinstance(action, (PatchStatus, Emit))]


def place(obj):
    return obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]
