"""In a namespace that is being deleted nothing is made and nothing is told: every write would be refused."""

import pytest

from cdi_operator.flows import datavolume, importer, populate
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
def test_nothing_is_asked_for(flow, key, objects, refused):
    world = World(*CSI, *objects)
    assert flow.plan(flow.observe(world, key), SETTINGS, NOW), "the namespace is alive"
    world.refusals[refused] = Refusal(None, "Forbidden", ENDS, NOW)
    assert flow.plan(flow.observe(world, key), SETTINGS, NOW) == ()
