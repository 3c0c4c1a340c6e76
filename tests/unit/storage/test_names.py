"""Names are recomputed by clients: every vector of the reference, and the builders on top."""

import pytest

from cdi_operator.storage import names
from tests.unit.storage.golden import VECTORS

LONG = "b" * 253


@pytest.mark.parametrize("case", VECTORS["resourceName"], ids=lambda case: f"{len(case['Base'])}+{len(case['Suffix'])}")
def test_resource_name(case):
    assert names.resource_name(case["Base"], case["Suffix"]) == case["Out"]


@pytest.mark.parametrize("case", VECTORS["labelName"], ids=lambda case: f"{case['In'][:10]}({len(case['In'])})")
def test_label_name(case):
    assert names.label_name(case["In"]) == case["Out"]


@pytest.mark.parametrize(
    ("built", "wanted"),
    [
        (names.importer_pod_name("prime-1"), "importer-prime-1"),
        (names.importer_pod_name("disk", "snap-7"), "importer-disk-checkpoint-snap-7"),
        (names.importer_pod_name(LONG)[:9], "importer-"),
        (names.upload_pod_name("disk"), "cdi-upload-disk"),
        (names.upload_service_name("my.disk"), "cdi-upload-my-disk"),
        (names.scratch_name("disk"), "disk-scratch"),
        (names.proxy_ca_name("disk"), "import-proxy-cm-disk"),
        (names.prime_name("1"), "prime-1"),
        (names.clone_source_pod_name("1"), "1-source-pod"),
    ],
)
def test_builders(built, wanted):
    assert built == wanted


def test_long_claim_gives_a_pod_name_of_prefix_and_hash():
    name = names.importer_pod_name(LONG)
    assert len(name) == len("importer-") + 8
    assert int(name.removeprefix("importer-"), 16)
