"""UploadTokenRequest: asks for the right to upload to one claim. Served by our API server, no CRD (spec 1.9)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cdi_operator.api.model import Definition, Model, Resource


class UploadTokenRequestSpec(Model):
    """What the token is to be good for."""

    pvc_name: str
    """Name of the claim, in the same namespace, that is to be uploaded to."""


class UploadTokenRequestStatus(Model):
    """The answer."""

    token: str | None = None
    """The token; the upload proxy takes it for five minutes."""


class UploadTokenRequest(Resource):
    """Asks for a token with which data can be uploaded to a claim. It can only be created."""

    definition: ClassVar = Definition(
        kind="UploadTokenRequest",
        plural="uploadtokenrequests",
        group="upload.cdi.kubevirt.io",
        short_names=("utr", "utrs"),
    )

    spec: UploadTokenRequestSpec
    """What the token is to be good for."""
    status: UploadTokenRequestStatus = Field(default_factory=UploadTokenRequestStatus)
    """The answer."""
