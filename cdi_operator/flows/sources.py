"""An import source as annotations of the claim that it fills (spec 3.1).

The annotations are the contract between whoever makes a claim (a DataVolume, a populator, a user by hand) and the
importer flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names

IMPORTS = {
    "http": "http",
    "s3": "s3",
    "gcs": "gcs",
    "registry": "registry",
    "imageio": "imageio",
    "vddk": "vddk",
    "blank": "none",
}
"""Member of `spec.source`, and what the source annotation calls it."""

FIELDS = {
    "url": names.ENDPOINT,
    "secretRef": names.SECRET_NAME,
    "certConfigMap": names.CERT_CONFIG_MAP,
    "checksum": names.CHECKSUM,
    "pullMethod": names.REGISTRY_IMPORT_METHOD,
    "diskId": names.DISK_ID,
    "uuid": names.UUID,
    "backingFile": names.BACKING_FILE,
    "thumbprint": names.THUMBPRINT,
    "initImageURL": names.VDDK_INIT_IMAGE_URL,
    "extraArgs": names.VDDK_EXTRA_ARGS,
}
"""Fields that are a text, of whatever source, and the annotation that says the same."""

LISTS = {
    "extraHeaders": names.EXTRA_HEADERS,
    "secretExtraHeaders": names.SECRET_EXTRA_HEADERS,
}
"""Fields that are a list of texts, and the annotation that says the same with a dot and the number of each."""


def import_kind(source: Mapping[str, Any]) -> str | None:
    """The member of an import source that is set; None for uploads, clones and nothing."""
    return next((kind for kind in IMPORTS if kind in source), None)


def import_annotations(source: Mapping[str, Any]) -> dict[str, str]:
    kind = import_kind(source)
    if kind is None:
        return {}
    given = source[kind] or {}
    said = {
        names.SOURCE: IMPORTS[kind],
        **{annotation: given.get(field) for field, annotation in FIELDS.items()},
        **{
            f"{annotation}.{number}": text
            for field, annotation in LISTS.items()
            for number, text in enumerate(given.get(field) or ())
        },
        names.INSECURE_SKIP_VERIFY: "true" if given.get("insecureSkipVerify") else "",
        names.REGISTRY_IMAGE_ARCHITECTURE: (given.get("platform") or {}).get("architecture"),
    }
    if given.get("imageStream") and not given.get("url"):
        said |= {names.ENDPOINT: given["imageStream"], names.REGISTRY_IMAGE_STREAM: "true"}
    return {key: value for key, value in said.items() if value}


def wants_import(annotations: Mapping[str, str], spec: Mapping[str, Any]) -> bool:
    """Of a claim: either annotation makes it ours, whoever wrote it; but not where a populator fills it (spec 3.1)."""
    populated = annotations.get(names.USE_POPULATOR) == "true" or names.EXTERNAL_POPULATION in annotations
    if populated or spec.get("dataSourceRef"):
        return False
    return names.ENDPOINT in annotations or names.SOURCE in annotations
