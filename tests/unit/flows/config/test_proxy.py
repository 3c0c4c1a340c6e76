"""The proxy that imports go through: as the settings say, else as OpenShift says for the whole cluster (spec 1.5)."""

import pytest

from cdi_operator.flows.config import observe, plan
from cdi_operator.flows.settings import Settings
from tests.unit.world import NOW, World, settle

SETTINGS = Settings(namespace="cdi", importer_image="importer")
OURS = "cdi-proxy-authorities"


def config(**spec):
    return {"kind": "CDIConfig", "metadata": {"name": "config"}, "spec": spec}


def proxy(status=None, trusted=""):
    spec = {"trustedCA": {"name": trusted}} if trusted else {}
    return {"kind": "Proxy", "metadata": {"name": "cluster"}, "spec": spec, "status": status or {}}


def settled(*objects):
    world = World(*objects)
    settle(world, lambda world: plan(observe(world, ("", "config")), SETTINGS, NOW))
    return world


FULL = {"httpProxy": "http://p", "httpsProxy": "https://p", "noProxy": ".svc"}


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        ([config()], None),
        ([config(), proxy()], None),
        ([config(), proxy({"noProxy": ".svc"})], None),
        ([config(), proxy(FULL)], {"HTTPProxy": "http://p", "HTTPSProxy": "https://p", "noProxy": ".svc"}),
        ([config(), proxy({"httpProxy": "http://p"})], {"HTTPProxy": "http://p"}),
        ([config(), proxy({"httpProxy": "h"}, "user-ca")], {"HTTPProxy": "h", "trustedCAProxy": OURS}),
        ([config(importProxy={"HTTPProxy": "mine"}), proxy(FULL, "user-ca")], {"HTTPProxy": "mine"}),
        ([config(), {"kind": "Proxy", "metadata": {"name": "cluster"}}], None),
    ],
)
def test_import_proxy(objects, wanted):
    world = settled(*objects)
    assert world.get("CDIConfig", "config")["status"].get("importProxy") == wanted
    asked_for = bool(wanted) and "trustedCAProxy" in wanted
    assert (world.get("ConfigMap", OURS, "cdi") is not None) is asked_for


def test_openshift_is_asked_to_fill_the_map_with_the_authorities():
    made = settled(config(), proxy(FULL, "user-ca")).get("ConfigMap", OURS, "cdi")
    assert made["metadata"]["labels"]["config.openshift.io/inject-trusted-cabundle"] == "true"
    assert "data" not in made
