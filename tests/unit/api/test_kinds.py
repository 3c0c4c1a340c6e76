"""The controller's table of kinds says of ours what their definitions say."""

import pytest

from cdi_operator.api.crd import KINDS as DEFINED
from cdi_operator.cluster.kinds import KINDS

OURS = {model.definition.kind: model.definition for model in DEFINED}


@pytest.mark.parametrize("name", sorted(KINDS.keys() & OURS.keys()))
def test_agreement(name):
    known, defined = KINDS[name], OURS[name]
    assert known.api_version == defined.api_version
    assert known.plural == defined.plural
    assert known.namespaced == (defined.scope == "Namespaced")
    assert known.status_subresource == defined.status_subresource
