"""Signatures of Amazon's fourth version, made by Amazon's own library.

Chosen among what makes them (November 2026; CPU time to import on top of what the worker has anyway, best of 15 on a
busy machine, where `import urllib3` takes 46 ms; compressed size in the image, stripped):

    awscrt 0.38            65 ms   2.7 MB   Amazon's, a release every few weeks, no dependencies
    botocore 1.44          99 ms   0.4 MB   Amazon's, without its 15 MB of data; brings jmespath and dateutil < 3
    obstore 0.12            5 ms   5.1 MB   signs URLs only, and cannot name keys like `a//b`
    aws-sdk-signers 0.4    53 ms   0.02 MB  Amazon's; needs Python 3.12, and we still run on Debian 12's 3.11

None is both light and quick. So it is imported only where keys are given; a signature then takes 0.2 ms. The same
library signs for Google (google.py), which saves a second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from awscrt import auth
from awscrt.http import HttpHeaders, HttpRequest

OURS = ("host", "range")
"""Other headers are left out, because a proxy may change them."""


@dataclass(frozen=True)
class Keys:
    access_key_id: str
    secret_key: str
    session_token: str = ""


class Signer:
    def __init__(self, keys: Keys) -> None:
        self._provider = auth.AwsCredentialsProvider.new_static(
            keys.access_key_id, keys.secret_key, keys.session_token or None
        )

    def signed(
        self, target: str, headers: Mapping[str, str], region: str, now: datetime | None = None
    ) -> dict[str, str]:
        """The headers to add to a GET of `target`. All that are named x-amz-... are signed, as the protocol wants."""
        signable = [(name, text) for name, text in headers.items() if name.lower() in OURS or _of_amazon(name)]
        request = HttpRequest("GET", target, HttpHeaders(signable))
        auth.aws_sign_request(request, self._config(region, now)).result()
        return {name: text for name, text in request.headers if (name, text) not in signable}

    def _config(self, region: str, now: datetime | None) -> auth.AwsSigningConfig:
        return auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4,
            signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=self._provider,
            region=region,
            date=now,
            service="s3",
            # S3 takes the path as it is, unlike Amazon's other services.
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=auth.AwsSignedBodyValue.EMPTY_SHA256,
            signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )


def _of_amazon(name: str) -> bool:
    return name.lower().startswith("x-amz-")
