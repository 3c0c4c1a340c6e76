"""The classes of the cluster speak of the drivers that it runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import csi

MANIFESTS = Path(csi.__file__).parent / "manifests"
FIRST, SECOND, LOCAL = "rook-ceph.rbd.csi.ceph.com", "csi.devcluster.local", "devcluster.local/hostpath"


def objects(kind: str) -> dict[str, dict[str, Any]]:
    documents = [doc for file in MANIFESTS.glob("*.yaml") for doc in yaml.safe_load_all(file.read_text())]
    return {doc["metadata"]["name"]: doc for doc in documents if doc["kind"] == kind}


@pytest.mark.parametrize(
    ("name", "provisioner", "binding", "expands", "is_default"),
    [
        ("csi", FIRST, "Immediate", True, True),
        ("csi-wffc", FIRST, "WaitForFirstConsumer", True, False),
        ("csi-noclone", SECOND, "Immediate", True, False),
        ("local", LOCAL, "Immediate", False, False),
    ],
)
def test_storage_class(name: str, provisioner: str, binding: str, expands: bool, is_default: bool) -> None:
    found = objects("StorageClass")[name]
    assert (found["provisioner"], found["volumeBindingMode"]) == (provisioner, binding)
    assert found.get("allowVolumeExpansion", False) is expands
    default = found["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class")
    assert (default == "true") is is_default


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_driver(name: str) -> None:
    spec = objects("CSIDriver")[name]["spec"]
    assert (spec["attachRequired"], spec["fsGroupPolicy"]) == (False, "File")


def test_only_the_first_driver_has_snapshots() -> None:
    assert [found["driver"] for found in objects("VolumeSnapshotClass").values()] == [FIRST]
