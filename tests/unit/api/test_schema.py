"""The generated CRDs against the reference's, path by path and both ways, and what makes them good to read."""

import json
from pathlib import Path
from typing import Any

import pytest

from cdi_operator.api.crd import KINDS, crd

REFERENCE = json.loads((Path(__file__).parents[2] / "data" / "crd-fields.json").read_text())
GENERATED = {
    f"{manifest['spec']['group']}/{version['name']}/{manifest['spec']['names']['kind']}": (manifest, version)
    for manifest in map(crd, KINDS)
    for version in manifest["spec"]["versions"]
}

ADDED = ("status.transfer", "spec.template.status.transfer")
"""Fields that the reference does not have, with all that is in them."""

FACETS = ("format", "enum", "pattern", "default", "nullable", "required")


def fields(schema: dict[str, Any], path: str = "") -> dict[str, list[Any]]:
    """Path to [type, {facet: value}...] as the reference is listed: `[]` items, `{}` values of a map.

    Of a map's values the list has only the type; items that are objects without required fields are not listed.
    """
    found: dict[str, list[Any]] = {}
    for name, value in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        found[at] = [type_of(value), *({facet: value[facet]} for facet in FACETS if facet in value)]
        found |= fields(value, at)
    if "items" in schema:
        items = schema["items"]
        if items.get("type") != "object" or "required" in items:
            found[f"{path}[]"] = [type_of(items), *({facet: items[facet]} for facet in FACETS if facet in items)]
        found |= fields(items, f"{path}[]")
    if "additionalProperties" in schema:
        found[path + "{}"] = [type_of(schema["additionalProperties"])]
    return found


def type_of(schema: dict[str, Any]) -> str:
    return "int-or-string" if schema.get("x-kubernetes-int-or-string") else schema["type"]


def in_order(entries: list[Any]) -> list[Any]:
    facets = [
        {name: sorted(value) if name == "required" else value} for each in entries[1:] for name, value in each.items()
    ]
    return [entries[0], *sorted(facets, key=lambda facet: next(iter(facet)))]


def test_every_kind_and_no_other():
    assert GENERATED.keys() == REFERENCE.keys()


@pytest.mark.parametrize("kind", REFERENCE)
def test_fields(kind):
    generated = fields(GENERATED[kind][1]["schema"]["openAPIV3Schema"])
    reference = REFERENCE[kind]["fields"]
    assert [path for path in generated.keys() - reference.keys() if not path.startswith(ADDED)] == []
    assert reference.keys() - generated.keys() == set()
    differing = {
        path: (generated[path], reference[path])
        for path in reference
        if in_order(generated[path]) != in_order(reference[path])
    }
    assert differing == {}


@pytest.mark.parametrize("kind", REFERENCE)
def test_what_the_api_server_is_told_of_a_kind(kind):
    manifest, version = GENERATED[kind]
    names = manifest["spec"]["names"]
    columns = [
        [each["name"], each["jsonPath"], each["type"]]
        for each in version.get("additionalPrinterColumns", ())
        if not each.get("priority")
    ]
    assert {
        "categories": names.get("categories", []),
        "columns": columns,
        "plural": names["plural"],
        "required": version["schema"]["openAPIV3Schema"]["required"],
        "scope": manifest["spec"]["scope"],
        "shortNames": names.get("shortNames", []),
        "subresources": list(version.get("subresources", ())),
    } == {name: value for name, value in REFERENCE[kind].items() if name != "fields"}


@pytest.mark.parametrize("kind", REFERENCE)
def test_every_field_is_described(kind):
    def bare(schema, path=""):
        for name, value in schema.get("properties", {}).items():
            at = f"{path}.{name}"
            if not value.get("description") and at != ".metadata":
                yield at
            yield from bare(value, at)
        if "items" in schema:
            yield from bare(schema["items"], f"{path}[]")

    assert list(bare(GENERATED[kind][1]["schema"]["openAPIV3Schema"])) == []


@pytest.mark.parametrize(
    ("kind", "path", "text"),
    [
        ("CDI", "status", "CDIStatus defines the status of the installation"),
        ("CDI", "status.targetVersion", "The desired version of the resource"),
        ("CDIConfig", "status", "CDIConfigStatus provides the most recently observed status of the CDI"),
        ("CDIConfig", "status.uploadProxyURL", "The calculated upload proxy URL"),
        ("DataVolume", "status", "DataVolumeStatus contains the current status of the DataVolume"),
        (
            "DataVolume",
            "status.restartCount",
            "RestartCount is the number of times the pod populating the DataVolume has",
        ),
    ],
)
def test_texts_that_clients_look_for_in_kubectl_explain(kind, path, text):
    schema = GENERATED[f"cdi.kubevirt.io/v1beta1/{kind}"][1]["schema"]["openAPIV3Schema"]
    for name in path.split("."):
        schema = schema["properties"][name]
    assert schema["description"].startswith(text)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("datavolumes.cdi.kubevirt.io", {"app": "containerized-data-importer", "cdi.kubevirt.io": ""}),
        ("cdis.cdi.kubevirt.io", {"operator.cdi.kubevirt.io": ""}),
    ],
)
def test_metadata(name, labels):
    manifest = next(each for each in map(crd, KINDS) if each["metadata"]["name"] == name)
    assert manifest["metadata"]["labels"] == labels
    assert manifest["metadata"]["annotations"] == {"controller-gen.kubebuilder.io/version": "v0.17.2"}


def test_one_version_is_stored():
    for manifest in map(crd, KINDS):
        assert [each["name"] for each in manifest["spec"]["versions"] if each["storage"]] == ["v1beta1"]
