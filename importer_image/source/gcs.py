"""An image in Google's object storage: ranged requests, each with a token where there is a service account.

Asked for is `https://storage.googleapis.com/bucket/object`, or the same path at whatever host the URL names (spec 5.3):
that is what the reference's client asks a custom endpoint for, so that any web server can stand in for Google.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from importer_image import job
from importer_image.errors import ImportFailure
from importer_image.log import log
from importer_image.source import OnBytes, answer
from importer_image.source.address import Address
from importer_image.source.badge import Refusal
from importer_image.source.complaint import complaint_in, refused
from importer_image.source.http import HttpSource, open_site
from importer_image.source.site import Site

if TYPE_CHECKING:
    from importer_image.source.google import Tokens

ENDPOINT = "https://storage.googleapis.com/"
FOR_BROWSERS = "https://storage.cloud.google.com/"
"""What Google's console shows as the URL of an object; it knows cookies only."""
HINTS = {
    "NoSuchKey": "There is no such object in the bucket; upper and lower case are different.",
    "NoSuchBucket": "There is no such bucket: the URL must look like gs://bucket/object.",
    "AccessDenied": "This service account may not read the object (storage.objects.get).",
    "UserProjectMissing": "Who reads from this bucket has to pay for it, which imports cannot.",
}
PRIVATE = "The object is not public: name a secret with the key of a service account in secretRef."
ANONYMOUS = {"AccessDenied": PRIVATE, "AuthenticationRequired": PRIVATE}


def open_gcs(source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes) -> HttpSource:
    """Raises ImportFailure: not reachable, not there, not allowed."""
    site = Site(replace(source, url=canonical(source.url)), environment, Pass(source, environment))
    return open_site(site, connections, on_bytes)


def canonical(url: str) -> str:
    """The http(s) URL to ask for."""
    scheme, _, rest = url.strip().partition("://")
    if scheme.lower() == "gs":
        return ENDPOINT + quote(unquote_to_bytes(rest), safe="/~")
    return ENDPOINT + url.strip()[len(FOR_BROWSERS) :] if url.strip().startswith(FOR_BROWSERS) else url


class Pass:
    """The badge: a token, or nothing."""

    def __init__(self, source: job.Source, environment: Mapping[str, str]) -> None:
        self._tokens = tokens_of(source, environment) if source.secret_dir else None

    def shown(self, address: Address, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {"Authorization": self._tokens.current()} if self._tokens else {}

    def judged(self, refusal: Refusal) -> Address | ImportFailure | None:
        if refusal.status in (*answer.REDIRECTS, *answer.BUSY, 416):
            return None
        if refusal.status == 401 and self._tokens and not refusal.attempt:
            log("the token is refused; asking with a new one")
            self._tokens.forget(refusal.shown["Authorization"])
            return refusal.address
        hints = HINTS if self._tokens else HINTS | ANONYMOUS
        what = f"could not get gcs object {refusal.address.shown}"
        return refused(what, complaint_in(refusal.body), refusal.status, hints)


def tokens_of(source: job.Source, environment: Mapping[str, str]) -> Tokens:
    from importer_image.source.google import Tokens, account_in

    account = account_in(source.secret_dir)
    # The token server gets none of what is meant for the server of the image.
    bare = replace(source, url=account.token_uri, secret_dir="", headers=(), secret_header_dirs=())
    return Tokens(account, Site(bare, environment))
