"""CDIConfig `config`: from the settings and the classes of the cluster to what clients read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create, PatchStatus
from cdi_operator.flows.config import observe, plan
from cdi_operator.flows.settings import Settings
from tests.unit.world import NOW, World, settle

SETTINGS = Settings(namespace="cdi", importer_image="importer")
MAX = names.MAX_TRANSFERS
DEFAULT_RESOURCES = {"limits": {"cpu": "750m", "memory": "600M"}, "requests": {"cpu": "100m", "memory": "60M"}}


def config(spec=None, status=None):
    shown = {"status": status} if status else {}
    return {"kind": "CDIConfig", "metadata": {"name": "config"}, "spec": spec or {}, **shown}


def storage_class(name):
    return {"kind": "StorageClass", "metadata": {"name": name}, "provisioner": "p"}


def cdi(**spec):
    return {"kind": "CDI", "metadata": {"name": "cdi", "uid": "uid-cdi"}, "spec": spec}


def deciding(**spec):
    """A CDI object that is marked as the place of the settings."""
    made = cdi(**spec)
    return {**made, "metadata": {**made["metadata"], "annotations": {names.CONFIG_AUTHORITY: ""}}}


def step(world, settings=SETTINGS):
    return plan(observe(world, ("", "config")), settings, NOW)


def settled(*objects, settings=SETTINGS):
    world = World(*objects)
    settle(world, lambda seen: step(seen, settings))
    return world


def shown(world):
    return world.get("CDIConfig", "config")


def status_of(spec, *classes):
    return shown(settled(config(spec), *map(storage_class, classes)))["status"]


@pytest.mark.parametrize(
    ("before", "decided", "wanted"),
    [
        # what the installer decides comes back; what he does not, is the administrator's own
        ({}, {MAX: "8"}, {MAX: "8"}),
        ({MAX: "9", "theirs": "x"}, {MAX: "8"}, {MAX: "8", "theirs": "x"}),
        ({MAX: "9"}, {}, {MAX: "9"}),
        ({MAX: "many"}, {}, {MAX: "many", names.IGNORED_SETTINGS: f"{MAX}: 'many' is no number"}),
        ({MAX: "9", names.IGNORED_SETTINGS: "old"}, {}, {MAX: "9"}),
    ],
)
def test_annotations(before, decided, wanted):
    made = config()
    made["metadata"]["annotations"] = before
    settings = replace(SETTINGS, config_annotations=decided)
    assert shown(settled(made, settings=settings))["metadata"]["annotations"] == wanted
    assert shown(settled(settings=settings))["metadata"].get("annotations", {}) == decided


def test_it_is_made_as_the_reference_ships_it():
    made = shown(settled())
    assert made["spec"] == {"featureGates": ["HonorWaitForFirstConsumer"]}
    assert made["metadata"]["labels"]["app"] == "containerized-data-importer"
    assert made["status"] == {
        "defaultPodResourceRequirements": DEFAULT_RESOURCES,
        "filesystemOverhead": {"global": "0.06", "storageClass": {}},
        "preallocation": False,
    }


@pytest.mark.parametrize("spec", [{"config": {"preallocation": True}}, {}])
def test_it_is_made_as_the_installation_says(spec):
    made = shown(settled(cdi(**spec)))
    assert made["spec"] == spec.get("config", {})
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-cdi"


@pytest.mark.parametrize(
    ("decided", "found", "wanted"),
    [
        # values of the chart   what is there                                      what is there then
        (None, [], {"featureGates": ["HonorWaitForFirstConsumer"]}),
        (None, [config({"preallocation": True})], {"preallocation": True}),
        ({}, [], {}),
        ({"preallocation": True}, [], {"preallocation": True}),
        ({"preallocation": True}, [config({"logVerbosity": 3})], {"preallocation": True}),
        ({"preallocation": True}, [config({"logVerbosity": 3}), cdi()], {"logVerbosity": 3}),
        ({"preallocation": True}, [config({"logVerbosity": 3}), cdi(config={})], {}),
        (None, [config({"logVerbosity": 3}), cdi(config={"preallocation": True})], {"preallocation": True}),
        (None, [config({"logVerbosity": 3}), deciding()], {}),
        (None, [config({"logVerbosity": 3}), deciding(config={"preallocation": True})], {"preallocation": True}),
    ],
)
def test_the_installer_decides_unless_there_is_a_cdi_object(decided, found, wanted):
    world = settled(*found, settings=replace(SETTINGS, config=decided))
    assert shown(world)["spec"] == wanted
    assert shown(world)["status"]["preallocation"] == wanted.get("preallocation", False)


@pytest.mark.parametrize(
    ("found", "installed", "taken"),
    [
        # CDIConfig before         CDI before                            spec.config of CDI then
        (config({"logVerbosity": 3}), cdi(), {"logVerbosity": 3}),
        (config({}), cdi(), None),
        (config({"logVerbosity": 3}), cdi(config={}), {}),
        (config({"logVerbosity": 3}), deciding(), None),
    ],
)
def test_a_cdi_object_takes_over_what_was_set_before_it_came(found, installed, taken):
    world = settled(found, installed)
    decides = world.get("CDI", "cdi")
    assert decides["spec"].get("config") == taken
    assert names.CONFIG_AUTHORITY in decides["metadata"]["annotations"]


def test_edits_of_the_config_are_undone_and_those_of_the_cdi_object_copied():
    world = settled(deciding(config={"featureGates": ["A"], "filesystemOverhead": {"global": "0.1"}}))
    world.edit("CDIConfig", "config", {"spec": {"featureGates": ["B"], "preallocation": True}})
    settle(world, step)
    assert shown(world)["spec"] == world.get("CDI", "cdi")["spec"]["config"]
    world.edit("CDI", "cdi", {"spec": {"config": {"featureGates": None, "filesystemOverhead": {"global": "0.2"}}}})
    settle(world, step)
    assert shown(world)["spec"] == {"filesystemOverhead": {"global": "0.2"}}
    assert shown(world)["status"]["filesystemOverhead"]["global"] == "0.2"


def test_an_installation_on_its_way_out_decides_nothing():
    leaving = deciding(config={"preallocation": True})
    leaving["metadata"] |= {"deletionTimestamp": "2025-06-01T11:00:00Z", "finalizers": ["operator.cdi.kubevirt.io"]}
    assert shown(settled(config({"logVerbosity": 3}), leaving))["spec"] == {"logVerbosity": 3}


def test_no_other_name():
    assert observe(World(config()), ("", "other")) is None


@pytest.mark.parametrize(
    ("given_", "classes", "wanted"),
    [
        ({}, [], {"global": "0.06", "storageClass": {}}),
        ({}, ["a", "b"], {"global": "0.06", "storageClass": {"a": "0.06", "b": "0.06"}}),
        ({"global": "0.1"}, ["a"], {"global": "0.1", "storageClass": {"a": "0.1"}}),
        (
            {"global": "0.1", "storageClass": {"a": "0", "gone": "0.5"}},
            ["a", "b"],
            {"global": "0.1", "storageClass": {"a": "0", "b": "0.1"}},
        ),
        (
            {"global": "1.5", "storageClass": {"a": "lots"}},
            ["a"],
            {"global": "0.06", "storageClass": {"a": "0.06"}},
        ),
    ],
)
def test_overhead(given_, classes, wanted):
    assert status_of({"filesystemOverhead": given_}, *classes)["filesystemOverhead"] == wanted


@pytest.mark.parametrize(
    ("share", "taken"),
    [
        *((good, True) for good in ("1", "0", "0.0", "0.055")),
        *((bad, False) for bad in ("abc", "1.abc", "1.0001", "inf", "-0.1", "", "0.0555", "\u0660.1")),
    ],
)
def test_what_is_a_share(share, taken):
    wanted = share if taken else "0.06"
    assert status_of({"filesystemOverhead": {"global": share}})["filesystemOverhead"]["global"] == wanted


def test_overhead_follows_the_classes():
    world = settled(config(), storage_class("a"))
    world.add(storage_class("b"))
    world.delete("StorageClass", "a")
    settle(world, step)
    assert shown(world)["status"]["filesystemOverhead"]["storageClass"] == {"b": "0.06"}


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ({}, DEFAULT_RESOURCES),
        (
            {"limits": {"cpu": "2"}},
            {"limits": {"cpu": "2", "memory": "600M"}, "requests": DEFAULT_RESOURCES["requests"]},
        ),
        (
            {"requests": {"cpu": "0", "example.com/fast": 1}},
            {
                "limits": DEFAULT_RESOURCES["limits"],
                "requests": {"cpu": "0", "memory": "60M", "example.com/fast": 1},
            },
        ),
    ],
)
def test_pod_resources(given_, wanted):
    assert status_of({"podResourceRequirements": given_})["defaultPodResourceRequirements"] == wanted


@pytest.mark.parametrize(
    ("spec", "field", "wanted"),
    [
        ({"uploadProxyURLOverride": "upload.example.com"}, "uploadProxyURL", "upload.example.com"),
        ({}, "uploadProxyURL", None),
        ({"importProxy": {"HTTPProxy": "p"}}, "importProxy", {"HTTPProxy": "p"}),
        ({"scratchSpaceStorageClass": "a"}, "scratchSpaceStorageClass", "a"),
        ({"scratchSpaceStorageClass": "gone"}, "scratchSpaceStorageClass", None),
        ({"preallocation": True}, "preallocation", True),
        ({"imagePullSecrets": [{"name": "s"}]}, "imagePullSecrets", [{"name": "s"}]),
    ],
)
def test_what_is_copied(spec, field, wanted):
    assert status_of(spec, "a").get(field) == wanted


def test_what_is_taken_back_goes_away():
    old = {"uploadProxyURL": "old", "importProxy": {"HTTPProxy": "p"}, "uploadProxyCA": "old"}
    status = shown(settled(config(status=old)))["status"]
    assert status.keys() == {"defaultPodResourceRequirements", "filesystemOverhead", "preallocation"}


specs = st.fixed_dictionaries(
    {},
    optional={
        "uploadProxyURLOverride": st.just("u"),
        "importProxy": st.just({"noProxy": "n"}),
        "scratchSpaceStorageClass": st.sampled_from("ab"),
        "filesystemOverhead": st.just({"global": "0.1", "storageClass": {"a": "0.2"}}),
        "podResourceRequirements": st.just({"limits": {"cpu": "1"}, "claims": [{"name": "c"}]}),
        "preallocation": st.booleans(),
        "imagePullSecrets": st.just([{"name": "s"}]),
    },
)


@given(
    spec=st.none() | specs,
    classes=st.lists(st.sampled_from("abc"), unique=True),
    installed=st.booleans(),
    next_spec=specs,
)
def test_planning_on_the_result_asks_for_nothing(spec, classes, installed, next_spec):
    world = World(*map(storage_class, classes))
    if spec is not None:
        world.add(config(spec))
    if installed:
        world.add(cdi(config=next_spec))
    assert len(settle(world, step)) <= 4, "authority, spec or object, status"
    assert step(world) == ()
    world.edit("CDIConfig", "config", {"spec": next_spec})
    assert len(settle(world, step)) <= 2


def test_the_kinds_of_action():
    plans = settle(World(), step)
    assert [[type(action) for action in each] for each in plans] == [[Create], [PatchStatus]]
