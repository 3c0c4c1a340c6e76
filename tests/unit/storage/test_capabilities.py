"""The capability table against the reference's, key by key, and every case of StorageClass parameters."""

import pytest

from cdi_operator.storage import capability_table
from cdi_operator.storage.capabilities import capabilities_of
from cdi_operator.storage.capability_table import TABLE
from tests.unit.storage.golden import VECTORS


def test_the_table_is_the_reference_s():
    assert {key: [list(pair) for pair in row.modes] for key, row in TABLE.items()} == VECTORS["capabilities"]
    assert {key: row.clone for key, row in TABLE.items() if row.clone} == VECTORS["cloneStrategies"]
    assert {key: row.cron for key, row in TABLE.items() if row.cron} == VECTORS["sourceFormats"]
    sizes = {key: row.minimum_size for key, row in TABLE.items() if row.minimum_size}
    assert sizes | capability_table.MINIMUM_SIZE_ONLY == VECTORS["minimumPvcSize"]
    assert set(VECTORS["rwoForDataImportCron"]) == capability_table.CRON_READ_WRITE_ONCE
    assert set(VECTORS["unsupportedProvisioners"]) == capability_table.UNSUPPORTED


@pytest.mark.parametrize(
    "case", VECTORS["storageClassCases"], ids=lambda case: f"{case['Provisioner']} {case['Params']}"
)
def test_parameters(case):
    seen = capabilities_of(case["Provisioner"], case["Params"])
    assert seen.recognition == case["Reason"]
    assert [[modes.access_mode, modes.volume_mode] for modes in seen.modes] == case["Caps"]
    assert (seen.clone_strategy or "") == case["Strategy"]
    assert (seen.cron_source_format or "") == case["Format"]
    assert (seen.minimum_size or "") == case["MinSize"]


@pytest.mark.parametrize("key", TABLE)
def test_every_row_can_be_reached(key):
    """A variant in the table that no parameters lead to would be dead."""
    provisioner = next(base for base in (key, key.rpartition("/")[0]) if base in _PROVISIONERS)
    candidates = [None, *_PARAMETERS.get(provisioner, [])]
    assert key in {capabilities_of(provisioner, parameters).key for parameters in candidates}


_PARAMETERS: dict[str, list[dict[str, str]]] = {}
for _case in VECTORS["storageClassCases"]:
    _PARAMETERS.setdefault(_case["Provisioner"], []).append(_case["Params"])
_PROVISIONERS = {
    *_PARAMETERS,
    *(key for key in TABLE if key.count("/") == 0 or key.startswith("k")),
    "csi.trident.netapp.io",
}


@pytest.mark.parametrize("provisioner", sorted(capability_table.UNSUPPORTED))
def test_unsupported(provisioner):
    assert not capabilities_of(provisioner).supported


def test_volumes_made_by_hand_are_known_but_their_modes_are_not():
    seen = capabilities_of("kubernetes.io/no-provisioner")
    assert (seen.recognition, seen.modes) == ("RecognizedProvisioner", ())


def test_google_keeps_cron_images_single_writer():
    seen = capabilities_of("pd.csi.storage.gke.io", {"type": "pd-ssd"})
    assert seen.cron_read_write_once
    assert seen.cron_snapshot_class_parameters == {"snapshot-type": "images"}
