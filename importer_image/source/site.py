"""One web server as the job describes it: where, with which headers and secrets, through which proxy, trusting whom."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from http.client import HTTPResponse
from threading import Lock

from importer_image import job
from importer_image.errors import ImportFailure, Permanent
from importer_image.source import answer, fault
from importer_image.source.address import Address, keeps_secrets, parse, proxy_for, redirected
from importer_image.source.answer import Answer
from importer_image.source.badge import LONGEST_BODY_BYTES, Badge, Refusal
from importer_image.source.connection import Connection, Route, basic

USER_AGENT = "cdi-golang-importer"
"""Clients search the logs of their servers for it (spec 5.3)."""
REDIRECT_LIMIT = 10
KEYS = "The secret needs the keys accessKeyId and secretKey, or one header in each key."
NOT_LET_IN = (400, 401, 403)
SIGNATURE_ENDED = (
    "The URL is signed, and the signature may have expired, or be for another method than GET: sign it anew, for "
    "longer than the import takes."
)
NOT_FOR_OTHER_HOSTS = ("authorization", "cookie", "www-authenticate")


@dataclass(frozen=True)
class Visit:
    """A response whose body is still to be read, and how we came by it."""

    address: Address
    connection: Connection
    response: HTTPResponse
    answer: Answer


class Site:
    def __init__(self, source: job.Source, environment: Mapping[str, str], badge: Badge | None = None) -> None:
        """With a badge, the secret of the source is the badge's alone."""
        self.origin = parse(source.url)
        self._badge = badge
        self._environment = environment
        self._headers = [parse_header(text) for text in source.headers]
        self._secret_headers = [parse_header(text) for text in secret_headers(source.secret_header_dirs)]
        basic_auth = source.secret_dir and not badge
        self._credentials = ":".join(keys_in(source.secret_dir)) if basic_auth else self.origin.credentials
        self._trust = Trust(source.ca_dirs, source.insecure)

    def elsewhere(self, url: str, badge: Badge | None = None) -> Site:
        """Another place, with the same proxies and authorities; with the same badge where no other is named."""
        other = copy(self)
        other.origin = parse(url)
        other._badge = badge or self._badge
        return other

    def knock(self, byte_range: tuple[int, int] | None, at: Address | None = None) -> Visit:
        """Ask for bytes first to last (None: all), following redirects. Raises ImportFailure."""
        address = at or self.origin
        for attempt in range(REDIRECT_LIMIT):
            connection = Connection(self.route_to(address))
            response = ask(connection, address, byte_range)
            try:
                elsewhere = self._sent_on(connection, response, attempt)
                if not elsewhere:
                    return Visit(address, connection, response, understand(response, byte_range, address))
            except BaseException:
                connection.close()
                raise
            connection.close()
            address = elsewhere
        raise Permanent(f'HTTP request errored: Get "{address.shown}": stopped after {REDIRECT_LIMIT} redirects')

    def route_to(self, address: Address) -> Route:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        trusted = keeps_secrets(self.origin, address)
        headers |= {name: text for name, text in self._headers if trusted or name.lower() not in NOT_FOR_OTHER_HOSTS}
        if trusted:
            headers |= dict(self._secret_headers)
        credentials = self._credentials if trusted else address.credentials
        if credentials:
            headers["Authorization"] = basic(credentials)
        badge = self._badge if trusted else None
        return Route(address, proxy_for(address, self._environment), headers, self._trust, badge)

    def asks_anew(self, address: Address, status: int) -> bool:
        """Whether an answer to a later request only means that the way to the file is to be asked for once more."""
        if status in answer.REDIRECTS or (address != self.origin and status in answer.LOCKED_OUT):
            return True
        return self._badge is not None and status // 100 == 4 and status not in answer.BUSY

    def _sent_on(self, connection: Connection, response: HTTPResponse, attempt: int) -> Address | None:
        """Where an answer sends us; None: nowhere."""
        route = connection.route
        if route.badge and response.status not in answer.GOOD:
            body = b""
            with suppress(*fault.BROKEN):
                body = response.read(LONGEST_BODY_BYTES)
            refusal = Refusal(route.address, response.status, response.headers, body, connection.shown, attempt)
            match route.badge.judged(refusal):
                case ImportFailure() as failure:
                    raise failure
                case Address() as elsewhere:
                    if elsewhere.host != self.origin.host:
                        # The badge knows its hosts: secrets may go there from now on.
                        self.origin = elsewhere
                    return elsewhere
        if response.status in answer.REDIRECTS:
            return redirected(route.address, response.headers.get("Location", ""))
        return None


class Trust:
    """A TLS context, made once and only when needed: reading the system's authorities takes 20 ms."""

    def __init__(self, ca_dirs: Sequence[str], insecure: bool) -> None:
        self._ca_dirs = ca_dirs
        self._insecure = insecure
        self._lock = Lock()
        self._context: ssl.SSLContext | None = None

    def __call__(self) -> ssl.SSLContext:
        from importer_image.source.trust import context_of

        with self._lock:
            if self._context is None:
                self._context = context_of(self._ca_dirs, self._insecure)
            return self._context


def ask(connection: Connection, address: Address, byte_range: tuple[int, int] | None) -> HTTPResponse:
    try:
        return connection.get(byte_range)
    except fault.BROKEN as error:
        connection.close()
        raise fault.failure_of(error, address, connection.route.hop) from error


def understand(response: HTTPResponse, byte_range: tuple[int, int] | None, address: Address) -> Answer:
    try:
        return answer.understood(response.status, response.reason, response.headers, byte_range, time.time())
    except answer.Refused as refusal:
        if address.signed and refusal.status in NOT_LET_IN:
            refusal.hint = SIGNATURE_ENDED
        raise


def parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Permanent(f"invalid extra header {name!r}: it must be `Name: value`")
    return name.strip(), value.strip()


def secret_headers(directories: Sequence[str]) -> Iterator[str]:
    for directory in directories:
        try:
            names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
        except OSError as error:
            raise Permanent(f"cannot read the secret headers in {directory}: {error.strerror}") from error
        if not names:
            raise Permanent(f"there are no secret headers in {directory}", "The secret does not exist, or has no keys.")
        for name in names:
            yield read_secret(os.path.join(directory, name))


def keys_in(directory: str) -> tuple[str, str]:
    """accessKeyId and secretKey."""
    user, password = (read_secret(os.path.join(directory, name)) for name in ("accessKeyId", "secretKey"))
    return user, password


def read_secret(path: str, hint: str = KEYS) -> str:
    """Without the white space around it, which nobody means and many secrets have (their file ends with a newline)."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(
            f"cannot read the secret {path}: {getattr(error, 'strerror', '') or error}",
            hint,
        ) from error
