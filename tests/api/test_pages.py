"""The manifests in docs/, as the API server takes them: whoever copies one must not be told that a field is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devcluster.layout import CHECKOUT
from tests.api.apiserver import ControlPlane

MANIFESTS = {
    (page.name, number): block
    for page in sorted((CHECKOUT / "docs").glob("*.md"))
    for number, block in enumerate(re.findall(r"^```(?:yaml)?\n(apiVersion: .*?)^```$", page.read_text(), re.S | re.M))
}


def test_there_are_some() -> None:
    assert {page for page, _ in MANIFESTS} >= {"ovirt.md", "vmware.md"}


@pytest.mark.parametrize("place", MANIFESTS, ids=lambda place: "-".join(map(str, place)))
def test_a_manifest_of_a_page(place: tuple[str, int], control_plane: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(MANIFESTS[place])
    control_plane.kubectl("create", "--dry-run=server", "--validate=strict", f"--filename={file}")
