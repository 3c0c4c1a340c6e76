"""Tokens for a service account: its private key signs an assertion, its token server gives a token for that (RFC 7523).

The signature is RS256, by awscrt, which is in the image for S3 (aws.py): an assertion is two JSON documents in base64
and that signature, and google-auth (98 ms to import, 4.8 MB with cryptography) or PyJWT (53 ms, 4.5 MB with the same)
would add to the image what it has already. A token lasts an hour; in a longer transfer the next one is fetched a
minute before, or as soon as one is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from http.client import HTTPResponse
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from awscrt.crypto import RSA, RSASignatureAlgorithm

from importer_image.errors import ImportFailure, Permanent, told_as
from importer_image.source import answer, fault
from importer_image.source.connection import Connection
from importer_image.source.site import Site, read_secret

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTED_S = 3600
EARLY_S = 60.0
"""So long before its end a token is replaced."""
LONGEST_ANSWER_BYTES = 64 << 10
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HINT = "The secret needs the key of a service account in credentials.json, as Google's console gives it."
NOT_GRANTED = "The key may have been deleted, the account disabled, or the clock of this machine be wrong."


@dataclass(frozen=True)
class Account:
    """What a token is asked for with."""

    email: str
    key_id: str
    private_key: str = field(repr=False)
    """PEM, PKCS #8 or #1."""
    token_uri: str


def account_in(secret_dir: str) -> Account:
    """Raises Permanent; the text says nothing of what is in the file."""
    path = os.path.join(secret_dir, "credentials.json")
    try:
        raw = json.loads(read_secret(path, HINT))
        if raw["type"] != "service_account":
            raise Permanent(f"{path} is a key of type {raw['type']!r}, not of a service account", HINT)
        return Account(raw["client_email"], raw.get("private_key_id", ""), raw["private_key"], raw["token_uri"])
    except KeyError as error:
        raise Permanent(f"{path} has no {error}", HINT) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise Permanent(f"{path} is no JSON object", HINT) from error


class Tokens:
    """Used by several threads at once, one of which fetches while the others wait."""

    def __init__(self, account: Account, site: Site) -> None:
        """`site` is that of the account's token server. Raises Permanent for a private key that is none."""
        self._account = account
        self._site = site
        self._key = key_of(account)
        self._lock = Lock()
        self._token = ""
        self._ends_s = 0.0

    def current(self) -> str:
        """An Authorization that holds. Raises ImportFailure."""
        with self._lock:
            if not self._token or time.monotonic() >= self._ends_s:
                self._token, self._ends_s = self._fetched()
            return self._token

    def forget(self, token: str) -> None:
        """It has been refused. Another thread may have fetched another already."""
        with self._lock:
            if token == self._token:
                self._token = ""

    def _fetched(self) -> tuple[str, float]:
        asked_s = time.monotonic()
        with told_as("oauth2: cannot fetch token"):
            granted = self._ask(assertion(self._account, self._key, int(time.time())))
        try:
            lasts_s = float(granted.get("expires_in", ASSERTED_S))
            return f"Bearer {granted['access_token']}", asked_s + max(lasts_s - EARLY_S, lasts_s / 2)
        except (KeyError, TypeError, ValueError) as error:
            raise Permanent("oauth2: server response missing access_token", HINT) from error

    def _ask(self, signed: str) -> dict[str, Any]:
        address = self._site.origin
        connection = Connection(self._site.route_to(address))
        try:
            response = connection.ask("POST", FORM, urlencode({"grant_type": GRANT, "assertion": signed}).encode())
            return understood(response, response.read(LONGEST_ANSWER_BYTES))
        except fault.BROKEN as error:
            raise fault.failure_of(error, address, connection.route.hop, "Post") from error
        finally:
            connection.close()


def understood(response: HTTPResponse, body: bytes) -> dict[str, Any]:
    """Raises ImportFailure for everything but a grant."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    if response.status == 200:
        return said
    if response.status in answer.BUSY:
        raise failure_of(response)
    words = ": ".join(str(said[name]) for name in ("error", "error_description") if said.get(name))
    raise Permanent(f"{response.status} {response.reason}{': ' if words else ''}{words}", NOT_GRANTED)


def failure_of(response: HTTPResponse) -> ImportFailure:
    return answer.failure_of(response.status, response.reason, response.headers, time.time())


def key_of(account: Account) -> RSA:
    try:
        return RSA.new_private_key_from_pem_data(account.private_key)
    except Exception as error:  # awscrt has no class of errors of its own
        raise Permanent("the private_key in credentials.json is no RSA key", HINT) from error


def assertion(account: Account, key: RSA, now_s: int) -> str:
    """A JSON Web Token (RFC 7519) that says who asks, for what, of whom, from `now_s` for an hour."""
    claims = {
        "iss": account.email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": now_s,
        "exp": now_s + ASSERTED_S,
    }
    header = {"alg": "RS256", "typ": "JWT"} | ({"kid": account.key_id} if account.key_id else {})
    text = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
    signature = key.sign(RSASignatureAlgorithm.PKCS1_5_SHA256, hashlib.sha256(text.encode()).digest())
    return f"{text}.{_part(signature)}"


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
