"""csi-sanity, the conformance test of CSI drivers: both drivers of the dev cluster, with both kinds of volume."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster import binaries
from tests.e2e.csi.driver import Driver

NO_COPIES = ("--driver-name", "csi.devcluster.local", "--no-snapshots", "--no-clones")

# What csi-sanity says when it leaves out a test. These abilities are optional, and no driver of ours has them.
NOT_OFFERED = {
    # The one node that can use a volume has it already: nothing is attached (CSIDriver: attachRequired: false).
    "ControllerPublishVolume not supported",
    "ControllerUnpublishVolume not supported",
    "Controller Publish, UnpublishVolume not supported",
    # VolumeAttributesClass: there is nothing about a volume that could be modified.
    "Modify volume not supported",
    "Modify Volume not supported",
    "ControllerModifyVolume not supported",
    # Snapshots of groups of volumes, and what CSI 1.13 has as alpha.
    "GroupControllerService not supported",
    "ControllerListVolumeHealth not supported",
    "ControllerGetVolumeHealth not supported",
    "NodeGetVolumeHealth not supported",
    "NodeGetStorageHealth not supported",
}
NO_SNAPSHOT_TOPOLOGY = {"SNAPSHOT_ACCESSIBILITY_CONSTRAINTS not supported"}
NO_SNAPSHOTS_OR_CLONES = {
    "Snapshot not supported",
    "CreateSnapshot not supported",
    "DeleteSnapshot not supported",
    "GetSnapshot not supported",
    "ListSnapshots not supported",
    "Volume Cloning not supported",
}


@pytest.mark.parametrize("access", ["mount", "block"])
@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        pytest.param((), NOT_OFFERED | NO_SNAPSHOT_TOPOLOGY, id="csi"),
        pytest.param(NO_COPIES, NOT_OFFERED | NO_SNAPSHOTS_OR_CLONES, id="csi-noclone"),
    ],
)
def test_conforms(
    start_driver: Callable[..., Driver], tmp_path: Path, arguments: tuple[str, ...], left_out: set[str], access: str
) -> None:
    driver = start_driver(*arguments)
    report = tmp_path / "report.json"
    subprocess.run(
        [
            csi_sanity(),
            f"-csi.endpoint={driver.socket}",
            f"-csi.mountdir={tmp_path / 'target'}",
            f"-csi.stagingdir={tmp_path / 'staging'}",
            f"-csi.testvolumeaccesstype={access}",
            f"-csi.testvolumesize={1 << 30}",
            f"--ginkgo.json-report={report}",
        ],
        stdout=subprocess.DEVNULL,
    )
    specs = [spec for suite in json.loads(report.read_text()) for spec in suite["SpecReports"]]
    problems = [
        f"{spec['LeafNodeText']}: {spec['Failure']['Message']}"
        for spec in specs
        if spec["State"] not in ("passed", "skipped", "pending")
    ]
    assert not problems
    assert {spec["Failure"]["Message"] for spec in specs if spec["State"] == "skipped"} == left_out
    assert Counter(spec["State"] for spec in specs)["passed"] > 0


def csi_sanity() -> Path:
    if found := binaries.program("csi-sanity"):
        return Path(found)
    pytest.fail("csi-sanity is not built: run `python -m devcluster up` once, or put it on PATH")
