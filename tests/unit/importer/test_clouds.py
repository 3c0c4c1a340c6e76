"""S3 and Google's storage without a server: URLs, regions, refusals, and one signature that Amazon published."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from importer_image import job
from importer_image.errors import ImportFailure, Permanent
from importer_image.source import gcs, s3
from importer_image.source.address import Address, parse
from importer_image.source.aws import Keys, Signer
from importer_image.source.badge import Refusal
from importer_image.source.complaint import Complaint, complaint_in
from importer_image.source.google import HINT, account_in
from importer_image.terminal import kind_and_url

AMAZON_EXAMPLE = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://host/bucket/key", "http://host/bucket/key"),
        ("https://host:9000/bucket/a/b.img", "https://host:9000/bucket/a/b.img"),
        ("http://host/bucket/a b+c", "http://host/bucket/a%20b%2Bc"),
        ("http://host/bucket/a%20b%2bc", "http://host/bucket/a%20b%2Bc"),
        ("http://host/bucket/ü~(1)*", "http://host/bucket/%C3%BC~%281%29%2A"),
        ("http://host/bucket/a//b/", "http://host/bucket/a//b/"),
        ("http://host/bucket/%ff%23", "http://host/bucket/%FF%23"),
        ("http://host/bucket/key?versionId=a%2Fb", "http://host/bucket/key?versionId=a%2Fb"),
        (" https://bucket.s3.eu-west-1.amazonaws.com/key\n", "https://bucket.s3.eu-west-1.amazonaws.com/key"),
        ("s3://bucket/a b", "https://s3.amazonaws.com/bucket/a%20b"),
    ],
)
def test_s3_urls(url: str, asked: str) -> None:
    assert s3.canonical(url) == asked
    assert parse(asked).shown == asked


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("gs://bucket/object", "https://storage.googleapis.com/bucket/object"),
        ("gs://bucket/a b?c#d/ü", "https://storage.googleapis.com/bucket/a%20b%3Fc%23d/%C3%BC"),
        ("https://storage.googleapis.com/b/o", "https://storage.googleapis.com/b/o"),
        ("https://storage.cloud.google.com/b/o", "https://storage.googleapis.com/b/o"),
        ("http://nginx:8080/images/x.qcow2", "http://nginx:8080/images/x.qcow2"),
    ],
)
def test_google_urls(url: str, asked: str) -> None:
    assert gcs.canonical(url) == asked


@pytest.mark.parametrize(
    ("typed", "kind", "url"),
    [
        ("s3://bucket/key", "s3", "s3://bucket/key"),
        ("s3+https://host/bucket/key", "s3", "https://host/bucket/key"),
        ("s3+http://host:9000/bucket/key", "s3", "http://host:9000/bucket/key"),
        ("gs://bucket/object", "gcs", "gs://bucket/object"),
        ("gcs+http://host/bucket/object", "gcs", "http://host/bucket/object"),
    ],
)
def test_sources_on_the_command_line(typed: str, kind: str, url: str) -> None:
    assert kind_and_url(typed) == (kind, url)


@pytest.mark.parametrize(
    ("host", "region", "in_paris"),
    [
        ("s3.amazonaws.com", "us-east-1", "s3.eu-west-3.amazonaws.com"),
        ("s3.eu-central-1.amazonaws.com", "eu-central-1", "s3.eu-west-3.amazonaws.com"),
        ("s3-us-west-2.amazonaws.com", "us-west-2", "s3.eu-west-3.amazonaws.com"),
        ("s3.dualstack.us-west-2.amazonaws.com", "us-west-2", "s3.eu-west-3.amazonaws.com"),
        ("my.bucket.s3.us-west-2.amazonaws.com", "us-west-2", "my.bucket.s3.eu-west-3.amazonaws.com"),
        ("bucket.s3.amazonaws.com", "us-east-1", "bucket.s3.eu-west-3.amazonaws.com"),
        ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1", "s3.eu-west-3.amazonaws.com.cn"),
        ("fra1.digitaloceanspaces.com", "fra1", "fra1.digitaloceanspaces.com"),
        ("s3.amazonaws.com.evil.example", "s3", "s3.amazonaws.com.evil.example"),
        ("minio", "minio", "minio"),
    ],
)
def test_regions(host: str, region: str, in_paris: str) -> None:
    assert s3.region_of(host) == region
    assert s3.in_region(Address("https", host, 443, "/x"), "eu-west-3").host == in_paris


def test_the_signature_that_amazon_publishes() -> None:
    """The example `GET Object` of its documentation of signatures in the Authorization header."""
    then = datetime(2013, 5, 24, tzinfo=UTC)
    headers = {"Host": "examplebucket.s3.amazonaws.com", "Range": "bytes=0-9", "User-Agent": "not signed"}
    added = Signer(AMAZON_EXAMPLE).signed("/test.txt", headers, "us-east-1", then)
    assert added.pop("Authorization").endswith(
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    assert sorted(added) == ["X-Amz-Date", "x-amz-content-sha256"]


def test_session_token_and_headers_of_amazon_are_signed() -> None:
    signer = Signer(Keys("AKIA", "secret", "the token"))
    added = signer.signed("/b/k", {"Host": "h", "X-Amz-Request-Payer": "requester"}, "r")
    assert added["X-Amz-Security-Token"] == "the token"
    signed = "host;x-amz-content-sha256;x-amz-date;x-amz-request-payer;x-amz-security-token"
    assert f"SignedHeaders={signed}," in added["Authorization"]


def xml(code: str, message: str = "", more: str = "") -> bytes:
    return f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'.encode()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (xml("NoSuchKey", "It is not there."), Complaint("NoSuchKey", "It is not there.")),
        (b'<Error xmlns="http://s3/"><Code>A</Code></Error>', Complaint("A")),
        (xml("X", "", "<Region>eu-west-3</Region>"), Complaint("X", "", "eu-west-3")),
        (xml("X", "expecting 'b-1'"), Complaint("X", "expecting 'b-1'", "b-1")),
        (b"", Complaint()),
        (b"Forbidden", Complaint()),
        (b"<html><body>no</body></html>", Complaint()),
        (b"<Error><Code>NoSuchKey</Co", Complaint()),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Error><Code>&b;</Code></Error>', Complaint()),
    ],
)  # fmt: skip
def test_complaints(body: bytes, complaint: Complaint) -> None:
    assert complaint_in(body) == complaint


def refusal(url: str, status: int, body: bytes = b"", attempt: int = 0, **fields: str) -> Refusal:
    headers = Message()
    for name, text in fields.items():
        headers[name.replace("_", "-")] = text
    return Refusal(parse(url), status, headers, body, {}, attempt)


HOST = "https://images.example/b/k"
GLOBAL = "https://s3.amazonaws.com/b/k"
PARIS = "https://s3.eu-west-3.amazonaws.com/b/k"
MALFORMED = xml("AuthorizationHeaderMalformed", "", "<Region>eu-west-3</Region>")


@pytest.mark.parametrize(
    ("seen", "keys", "verdict"),
    [
        # another region: where to ask, signed for it
        (refusal(HOST, 400, MALFORMED), True, HOST),
        (refusal(GLOBAL, 400, MALFORMED), True, PARIS),
        (refusal(HOST, 400, MALFORMED, attempt=1), True, "AuthorizationHeaderMalformed"),
        (refusal(HOST, 403, xml("AccessDenied"), X_Amz_Bucket_Region="eu-west-3"), True, HOST),
        (refusal(HOST, 400, xml("AuthorizationHeaderMalformed")), True, HOST),
        (refusal(GLOBAL, 301, xml("PermanentRedirect"), x_amz_bucket_region="eu-west-3"), True, PARIS),
        (refusal(GLOBAL, 301, xml("PermanentRedirect"), x_amz_bucket_region="eu-west-3"), False, PARIS),
        (refusal(HOST, 301, xml("PermanentRedirect"), x_amz_bucket_region="eu-west-3"), False, "PermanentRedirect"),
        # sent on: only Amazon's own hosts get a signature, and never in plain text
        (refusal(GLOBAL, 307, Location=PARIS), True, PARIS),
        (refusal(GLOBAL, 307, Location="http://s3.eu-west-3.amazonaws.com/b/k"), True, None),
        (refusal(GLOBAL, 307, Location="https://evil.example/b/k"), True, None),
        (refusal(HOST, 302, Location=PARIS), True, None),
        # no
        (refusal(HOST, 404, xml("NoSuchKey", "It is not there.")), True, "k: NoSuchKey: It is not there. (status 404)"),
        (refusal(HOST, 403, xml("AccessDenied")), True, "AccessDenied (status 403)"),
        # whatever HTTP says
        (refusal(HOST, 503, xml("SlowDown")), True, None),
        (refusal(HOST, 416, xml("InvalidRange")), True, None),
        (refusal(HOST, 403, b"<html>a proxy says no</html>"), True, None),
    ],
)  # fmt: skip
def test_refusals_of_s3(seen: Refusal, keys: bool, verdict: str | None, tmp_path: Path) -> None:
    bucket = s3.Bucket(source("s3", tmp_path, accessKeyId="a", secretKey="b") if keys else job.Source("s3"))
    bucket.shown(seen.address, {})
    found = bucket.judged(seen)
    assert_verdict(found, verdict)


def test_a_region_that_is_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    bucket = s3.Bucket(source("s3", tmp_path, accessKeyId="a", secretKey="b"))
    assert isinstance(bucket.judged(refusal(HOST, 400, MALFORMED)), Address)
    assert "/eu-west-3/s3/aws4_request" in bucket.shown(parse(HOST), {})["Authorization"]
    assert isinstance(bucket.judged(refusal(HOST, 400, MALFORMED)), Permanent)


def test_without_keys_nothing_is_signed(tmp_path: Path) -> None:
    for secret in (job.Source("s3"), source("s3", tmp_path, accessKeyId="\n", secretKey="")):
        assert s3.Bucket(secret).shown(parse(HOST), {}) == {}


def assert_verdict(found: Address | ImportFailure | None, verdict: str | None) -> None:
    if verdict is None:
        assert found is None
    elif verdict.startswith("https://"):
        assert isinstance(found, Address)
        assert found.shown == verdict
    else:
        assert isinstance(found, ImportFailure)
        assert verdict in found.text


def source(kind: job.Kind, directory: Path, **files: str) -> job.Source:
    for name, text in files.items():
        (directory / name.replace("_json", ".json")).write_text(text)
    return job.Source(kind, secret_dir=str(directory))


ACCOUNT: dict[str, Any] = {
    "type": "service_account",
    "client_email": "images@project.example",
    "private_key": "TOP SECRET",
    "token_uri": "https://tokens.example/token",
}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no JSON object"),
        ("[]", "is no JSON object"),
        ("TOP SECRET", "is no JSON object"),
        (json.dumps(ACCOUNT | {"type": "authorized_user"}), "of type 'authorized_user', not of a service account"),
        (json.dumps({"type": "service_account", "private_key": "TOP SECRET"}), "has no 'client_email'"),
        (json.dumps(ACCOUNT), "the private_key in credentials.json is no RSA key"),
    ],
    ids=["empty", "list", "text", "type", "half", "key"],
)  # fmt: skip
def test_credentials_that_are_none(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(Permanent) as found:
        gcs.Pass(source("gcs", tmp_path, credentials_json=text), {})
    assert told in found.value.text
    assert found.value.hint == HINT
    assert "TOP SECRET" not in found.value.text


def test_no_credentials(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot read the secret") as found:
        account_in(str(tmp_path))
    assert found.value.hint == HINT
