"""What a DataVolume may ask of its claim, in `pvc` or `storage`: size, access modes, who else fills it (spec 7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.apiserver.rules.cause import Cause, Causes, too_long
from cdi_operator.storage.names import MAX_NAME
from cdi_operator.storage.quantity import QuantityError, parse_exact
from cdi_operator.storage.sizes import MIB

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")

Spec = Mapping[str, Any]


def one_claim(spec: Spec, path: str) -> Causes:
    if spec.get("pvc") is None and spec.get("storage") is None:
        yield Cause("Missing Data volume PVC", f"{path}.PVC")
    elif spec.get("pvc") is not None and spec.get("storage") is not None:
        text = "Duplicate storage definition, both target storage and target pvc defined"
        yield Cause(text, f"{path}.PVC.Storage")


def wanted_claim(spec: Spec, path: str) -> Causes:
    """Of a spec that `one_claim` found in order."""
    literal = spec.get("pvc") is not None
    name, asked = ("PVC", spec["pvc"]) if literal else ("Storage", spec["storage"])
    yield from too_long(asked.get("storageClassName") or "", MAX_NAME, f"{path}.{name}.storageClassName")
    yield from size(asked, f"{path}.{name}", name, may_be_missing=not literal and is_clone(spec))
    if literal:
        yield from access_modes(asked.get("accessModes") or (), f"{path}.PVC.accessModes")


def is_clone(spec: Spec) -> bool:
    """The source has a size of its own. (A sourceRef leads to a claim or a snapshot.)"""
    source = spec.get("source") or {}
    return "pvc" in source or "snapshot" in source or spec.get("sourceRef") is not None


def size(asked: Spec, path: str, name: str, *, may_be_missing: bool) -> Causes:
    field = f"{path}.resources.requests.size"
    given = ((asked.get("resources") or {}).get("requests") or {}).get("storage")
    if given is None:
        if not may_be_missing:
            yield Cause(f"{name} size is missing", field)
        return
    try:
        asked_bytes = parse_exact(given)
    except QuantityError as error:
        yield Cause(str(error), field)
        return
    if asked_bytes <= 0:
        yield Cause(f"{name} size can't be equal or less than zero", field)
    elif asked_bytes < MIB:
        yield Cause(f"{name} size should be at least 1MiB", field)


def access_modes(modes: list[str] | tuple[str, ...], field: str) -> Causes:
    if not modes:
        yield Cause("Required value: at least 1 access mode is required", field)
    elif len(modes) > 1:
        yield Cause("PVC multiple accessModes", field)
    elif modes[0] not in ACCESS_MODES:
        supported = ", ".join(f'"{mode}"' for mode in ACCESS_MODES)
        yield Cause(f'Unsupported value: "{modes[0]}": supported values: {supported}', field)


def external_population(spec: Spec, path: str) -> Causes:
    """Somebody else fills the claim: it names a dataSource or a dataSourceRef."""
    asked = spec.get("pvc") or spec.get("storage") or {}
    source, reference = asked.get("dataSource"), asked.get("dataSourceRef")
    if spec.get("source") is not None or spec.get("sourceRef") is not None:
        yield Cause("External population is incompatible with Source and SourceRef", f"{path}.source")
    elif source is not None and reference is not None:
        # The reference compares values of two types, which never are equal: nobody has a DataVolume with both.
        yield Cause("DataSourceRef and DataSource must match")
    elif source is not None:
        yield from complete("DataSource", source, f"{path}.dataSource")
    elif reference is not None:
        yield from complete("DataSourceRef", reference, f"{path}.dataSourceRef")
        if reference.get("namespace"):
            text = "Invalid value: DataSourceRef namespace not supported"
            yield Cause(text, f"{path}.dataSourceRef.namespace")


def complete(what: str, reference: Spec, field: str) -> Causes:
    if not reference.get("name"):
        yield Cause(f"Required value: {what} name", f"{field}.name")
    elif not reference.get("kind"):
        yield Cause(f"Required value: {what} kind", f"{field}.kind")
    elif not reference.get("apiGroup") and reference["kind"] != "PersistentVolumeClaim":
        text = f"Required value: {what} apiGroup when kind is not 'PersistentVolumeClaim'"
        yield Cause(text, f"{field}.apiGroup")


def externally_populated(spec: Spec) -> bool:
    asked = spec.get("pvc") or spec.get("storage") or {}
    return asked.get("dataSource") is not None or asked.get("dataSourceRef") is not None
