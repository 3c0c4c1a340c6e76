"""The last test of all: the others have taken their namespaces away, and with them goes everything that they made."""

from __future__ import annotations

import pytest

from tests.e2e import namespaces
from tests.e2e.installation import Installation

pytestmark = pytest.mark.alone


def test_storage_has_taken_back_every_volume(installation: Installation) -> None:
    namespaces.delete_all(installation.kubectl, "namespace", f"--selector={namespaces.LABEL}")
    namespaces.wait_for_no_volumes(installation.kubectl, namespaces.PREFIX)
