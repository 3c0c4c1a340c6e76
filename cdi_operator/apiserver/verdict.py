"""The answer to an AdmissionReview, as the API server reads it (spec 7.1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cdi_operator.apiserver.rules.cause import Cause, Causes

INVALID, BAD_REQUEST = 422, 400


@dataclass(frozen=True)
class Verdict:
    """Allowed, unless there is a `code`."""

    code: int = 0
    message: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    """What kubectl prints, whether allowed or not."""
    patch: tuple[Mapping[str, Any], ...] = ()
    """RFC 6902."""


ALLOWED = Verdict()


def judged(causes: Causes) -> Verdict:
    """By the first cause, if there is one: the rules may not be asked further."""
    found = tuple(islice(causes, 1))
    if not found:
        return ALLOWED
    return Verdict(INVALID, "".join(f" {cause.message}" for cause in found), found)


def refused(text: str) -> Verdict:
    """For whatever has no causes; allowed when there is no text."""
    return Verdict(BAD_REQUEST, text) if text else ALLOWED


def response(review: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """In the version in which was asked."""
    said: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": not verdict.code}
    if verdict.code:
        said["status"] = {"code": verdict.code, "message": verdict.message}
    if verdict.causes:
        causes = [{"reason": each.reason, "message": each.message, "field": each.field} for each in verdict.causes]
        said["status"]["details"] = {"causes": causes}
    if verdict.warnings:
        said["warnings"] = list(verdict.warnings)
    if verdict.patch:
        said["patchType"] = "JSONPatch"
        said["patch"] = base64.b64encode(json.dumps(verdict.patch).encode()).decode()
    return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": said}
