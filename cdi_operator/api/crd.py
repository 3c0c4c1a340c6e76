"""From a kind to its CustomResourceDefinition (spec 1.0)."""

from __future__ import annotations

from typing import Any

from cdi_operator.api.cdi import CDI
from cdi_operator.api.cdiconfig import CDIConfig
from cdi_operator.api.dataimportcron import DataImportCron
from cdi_operator.api.datasource import DataSource
from cdi_operator.api.datavolume import DataVolume
from cdi_operator.api.forklift import OpenstackVolumePopulator, OvirtVolumePopulator
from cdi_operator.api.model import Column, Definition, Resource
from cdi_operator.api.objecttransfer import ObjectTransfer
from cdi_operator.api.schema import resource_schema
from cdi_operator.api.storageprofile import StorageProfile
from cdi_operator.api.volumeclonesource import VolumeCloneSource
from cdi_operator.api.volumeimportsource import VolumeImportSource
from cdi_operator.api.volumeuploadsource import VolumeUploadSource

KINDS: tuple[type[Resource], ...] = (
    CDI,
    CDIConfig,
    DataImportCron,
    DataSource,
    DataVolume,
    ObjectTransfer,
    OpenstackVolumePopulator,
    OvirtVolumePopulator,
    StorageProfile,
    VolumeCloneSource,
    VolumeImportSource,
    VolumeUploadSource,
)
"""Every kind that is a CRD; UploadTokenRequest is served by our own API server."""

_GENERATOR = {"controller-gen.kubebuilder.io/version": "v0.17.2"}
"""The annotation of the reference, which clients compare."""


def crd(resource: type[Resource]) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind, as JSON."""
    kind = resource.definition
    current = _version(resource, kind.version)
    deprecated = [
        _version(resource, version)
        | {
            "deprecated": True,
            "deprecationWarning": f"{kind.group}/{version} {kind.kind} is deprecated; use {kind.api_version}",
            "storage": False,
        }
        for version in kind.deprecated_versions
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"annotations": _GENERATOR, "labels": kind.labels, "name": kind.name},
        "spec": {
            "group": kind.group,
            "names": _names(kind),
            "scope": kind.scope,
            "versions": [*deprecated, current],
        },
    }


def _names(kind: Definition) -> dict[str, Any]:
    optional = {"categories": list(kind.categories), "shortNames": list(kind.short_names)}
    return {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        **{name: value for name, value in optional.items() if value},
    }


def _version(resource: type[Resource], name: str) -> dict[str, Any]:
    kind = resource.definition
    version: dict[str, Any] = {"name": name, "served": True, "storage": True}
    if kind.columns:
        version["additionalPrinterColumns"] = [_column(each) for each in kind.columns]
    if kind.selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable_fields]
    if kind.status_subresource:
        version["subresources"] = {"status": {}}
    return version | {"schema": {"openAPIV3Schema": resource_schema(resource)}}


def _column(column: Column) -> dict[str, Any]:
    more = {"priority": 1} if column.wide else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **more}
