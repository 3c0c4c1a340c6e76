"""What a cloud says in the body of a refusal: S3 and Google's storage write the same XML. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from importer_image.errors import ImportFailure, Permanent

_EXPECTED_REGION = re.compile(r"expecting ['\"]([a-z0-9-]+)['\"]")


@dataclass(frozen=True)
class Complaint:
    """All empty where the body is no such document."""

    code: str = ""
    message: str = ""
    region: str = ""
    """The one that the server wants requests to be signed for, where that is what it complains of."""


def complaint_in(body: bytes) -> Complaint:
    if not body.lstrip().startswith(b"<"):
        return Complaint()
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return Complaint()
    if root.tag.rpartition("}")[2] != "Error":
        return Complaint()

    def text(name: str) -> str:
        return (root.findtext(f"{{*}}{name}") or "").strip()

    message = text("Message")
    expected = _EXPECTED_REGION.search(message)
    return Complaint(text("Code"), message, text("Region") or (expected[1] if expected else ""))


def refused(what: str, complaint: Complaint, status: int, hints: Mapping[str, str]) -> ImportFailure | None:
    """The failure in the server's words and with our hint; None when there are no words."""
    if not complaint.code:
        return None
    said = f"{complaint.code}: {complaint.message}" if complaint.message else complaint.code
    return Permanent(f"{what}: {said} (status {status})", hints.get(complaint.code, ""))
