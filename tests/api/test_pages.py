"""The manifests in docs/ and in manifests/examples: whoever applies one must not be told that a field is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devcluster.layout import CHECKOUT
from tests.api.apiserver import ControlPlane

IN_PAGES = {
    f"{page.name} {number}": block
    for page in sorted((CHECKOUT / "docs").glob("*.md"))
    for number, block in enumerate(re.findall(r"^```(?:yaml)?\n(apiVersion: .*?)^```$", page.read_text(), re.S | re.M))
}
EXAMPLES = {file.name: file.read_text() for file in sorted((CHECKOUT / "manifests" / "examples").glob("*.yaml"))}
MANIFESTS = {**IN_PAGES, **EXAMPLES}


def test_there_are_some() -> None:
    assert {"ovirt.md 0", "vmware.md 0", "import-http.yaml"} <= MANIFESTS.keys()


@pytest.mark.parametrize("place", MANIFESTS)
def test_a_manifest_to_copy(place: str, control_plane: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(MANIFESTS[place])
    control_plane.kubectl("create", "--dry-run=server", "--validate=strict", f"--filename={file}")
