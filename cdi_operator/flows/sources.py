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
        names.ENDPOINT: given.get("url", ""),
        names.SECRET_NAME: given.get("secretRef", ""),
        names.CERT_CONFIG_MAP: given.get("certConfigMap", ""),
        names.CHECKSUM: given.get("checksum", ""),
        names.INSECURE_SKIP_VERIFY: "true" if given.get("insecureSkipVerify") else "",
        **{f"{names.EXTRA_HEADERS}.{n}": text for n, text in enumerate(given.get("extraHeaders") or ())},
        **{
            f"{names.SECRET_EXTRA_HEADERS}.{n}": secret
            for n, secret in enumerate(given.get("secretExtraHeaders") or ())
        },
    }
    return {key: value for key, value in said.items() if value}
