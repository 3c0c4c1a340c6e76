"""An image in an S3 bucket: the same ranged requests as from any web server, each of them signed.

The URL is `http(s)://host/bucket/key` (spec 5.3), and since what is asked for is what the URL says, the bucket may as
well be in the host name, and the host be anybody's. The region, which a signature needs, is guessed from the host as
the reference does it, and taken from the server's answer where the guess was wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

from importer_image import job
from importer_image.errors import ImportFailure
from importer_image.log import log
from importer_image.source import OnBytes, answer
from importer_image.source.address import Address, redirected
from importer_image.source.badge import Refusal
from importer_image.source.complaint import Complaint, complaint_in, refused
from importer_image.source.http import HttpSource, open_site
from importer_image.source.site import Site, keys_in, read_secret

if TYPE_CHECKING:
    from importer_image.source.aws import Signer

DEFAULT_REGION = "us-east-1"
GLOBAL_ENDPOINT = "https://s3.amazonaws.com"
AMAZON = re.compile(
    r"(?P<before>(?:.+\.)?)s3(?:[.-]dualstack)?(?:[.-](?P<region>[a-z0-9-]+))?(?P<after>\.amazonaws\.com(?:\.cn)?)"
)
"""`before` is a bucket with a dot, or empty."""
WRONG_REGION = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect")
CLOCKS = "The clock of this machine and that of the server differ by too much."
TOKEN = "The session token is not valid (any more): put a new one into the secret, or none."
HINTS = {
    "NoSuchKey": "There is no such object in the bucket; upper and lower case are different.",
    "NoSuchBucket": "There is no such bucket: the URL must look like https://endpoint/bucket/key.",
    "InvalidBucketName": "There can be no such bucket: the URL must look like https://endpoint/bucket/key.",
    "AccessDenied": "These keys do not allow to read the object (s3:GetObject).",
    "AllAccessDisabled": "The owner of the bucket has disabled all access.",
    "SignatureDoesNotMatch": "The secretKey is not the one that belongs to the accessKeyId.",
    "InvalidAccessKeyId": "The server does not know this accessKeyId; or the URL names another server than its own.",
    "RequestTimeTooSkewed": CLOCKS,
    "RequestExpired": CLOCKS,
    "ExpiredToken": TOKEN,
    "InvalidToken": TOKEN,
    "InvalidObjectState": "The object is archived: restore it first.",
}
ANONYMOUS = {"AccessDenied": "The object is not public: name a secret with accessKeyId and secretKey in secretRef."}


def open_s3(source: job.Source, connections: int, environment: Mapping[str, str], on_bytes: OnBytes) -> HttpSource:
    """Raises ImportFailure: not reachable, not there, not allowed."""
    site = Site(replace(source, url=canonical(source.url)), environment, Bucket(source))
    return open_site(site, connections, on_bytes)


def canonical(url: str) -> str:
    """The URL to ask for, its path escaped in the one way in which both sides sign it."""
    parts = urlsplit(url.strip())
    if parts.scheme == "s3":
        return canonical(f"{GLOBAL_ENDPOINT}/{url.strip()[len('s3://') :]}")
    return urlunsplit(parts._replace(path=quote(unquote_to_bytes(parts.path), safe="/~")))


def region_of(host: str) -> str:
    """As the reference guesses it: what stands between s3 and amazonaws.com, else the first label of the name."""
    found = AMAZON.fullmatch(host)
    if found:
        return found["region"] or DEFAULT_REGION
    return host.partition(".")[0]


def in_region(address: Address, region: str) -> Address:
    """The same object at the endpoint of that region. Only Amazon has them."""
    found = AMAZON.fullmatch(address.host)
    return replace(address, host=f"{found['before']}s3.{region}{found['after']}") if found else address


class Bucket:
    """The badge: keys, and the region that they are used for."""

    def __init__(self, source: job.Source) -> None:
        self._signer = signer_of(source.secret_dir) if source.secret_dir else None
        self._region = ""

    def shown(self, address: Address, headers: Mapping[str, str]) -> Mapping[str, str]:
        if not self._signer:
            return {}
        self._region = self._region or region_of(address.host)
        return self._signer.signed(address.target, {"Host": address.authority, **headers}, self._region)

    def judged(self, refusal: Refusal) -> Address | ImportFailure | None:
        complaint = complaint_in(refusal.body)
        if refusal.status in answer.REDIRECTS and (location := refusal.headers.get("Location", "")):
            there = redirected(refusal.address, location)
            # Amazon sends on to its own hosts, where a request must be signed for its new address.
            amazon = all(AMAZON.fullmatch(host) for host in (refusal.address.host, there.host))
            return there if amazon and there.scheme == refusal.address.scheme else None
        if refusal.status in answer.BUSY or refusal.status == 416:
            return None
        region = region_wanted(refusal, complaint)
        if region and region != self._region and not refusal.attempt:
            there = in_region(refusal.address, region)
            if self._signer or there != refusal.address:
                log("asking in another region", region=region, guessed=self._region)
                self._region = region
                return there
        hints = HINTS if self._signer else HINTS | ANONYMOUS
        return refused(f"could not get s3 object {refusal.address.shown}", complaint, refusal.status, hints)


def region_wanted(refusal: Refusal, complaint: Complaint) -> str:
    """Empty where the region is not what is wrong."""
    said = refusal.headers.get("x-amz-bucket-region", "") or complaint.region
    return said or (DEFAULT_REGION if complaint.code in WRONG_REGION else "")


def signer_of(secret_dir: str) -> Signer | None:
    """None when the secret has no accessKeyId in it, which the reference takes for anonymous."""
    access_key_id, secret_key = keys_in(secret_dir)
    if not access_key_id:
        return None
    from importer_image.source.aws import Keys, Signer

    token = os.path.join(secret_dir, "sessionToken")
    return Signer(Keys(access_key_id, secret_key, read_secret(token) if os.path.exists(token) else ""))
