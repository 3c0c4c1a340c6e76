"""One web server as the job describes it: where, with which headers and secrets, through which proxy, trusting whom."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from http.client import HTTPResponse
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from importer_image import job
from importer_image.errors import Permanent
from importer_image.source import answer, fault
from importer_image.source.address import Address, keeps_secrets, parse, proxy_for, redirected
from importer_image.source.answer import Answer
from importer_image.source.connection import Connection, Route, basic

if TYPE_CHECKING:
    from email.message import Message

UNAUTHORIZED = 401
USER_AGENT = "cdi-golang-importer"
"""Clients search the logs of their servers for it (spec 5.3)."""
REDIRECT_LIMIT = 10
NOT_FOR_OTHER_HOSTS = ("authorization", "cookie", "www-authenticate")


@dataclass(frozen=True)
class Visit:
    """A response whose body is still to be read, and how we came by it."""

    address: Address
    connection: Connection
    response: HTTPResponse
    answer: Answer


class Badge(Protocol):
    """What a server is shown to let us in, where it is not always the same user and password."""

    def shown_to(self, address: Address) -> str:
        """The Authorization for this address; empty for none."""

    def renewed(self, address: Address, shown: str, headers: Message) -> bool:
        """`shown` was answered with 401 and these headers: whether there is something else to show now."""


class Site:
    def __init__(self, source: job.Source, environment: Mapping[str, str]) -> None:
        self.origin = parse(source.url)
        self.badge: Badge | None = None
        self._environment = environment
        self._headers = [parse_header(text) for text in source.headers]
        self._secret_headers = [parse_header(text) for text in secret_headers(source.secret_header_dirs)]
        self._credentials = credentials_in(source.secret_dir) if source.secret_dir else self.origin.credentials
        self._trust = Trust(source.ca_dirs, source.insecure)

    def elsewhere(self, url: str, badge: Badge | None) -> Site:
        """Another place, with the same proxies and authorities."""
        other = copy(self)
        other.origin = parse(url)
        other.badge = badge
        return other

    def knock(self, byte_range: tuple[int, int] | None, at: Address | None = None) -> Visit:
        """Ask for bytes first to last (None: all), following redirects. Raises ImportFailure."""
        address = at or self.origin
        renewed = False
        for _ in range(REDIRECT_LIMIT):
            connection = Connection(self.route_to(address))
            response = ask(connection, address, byte_range)
            if response.status == UNAUTHORIZED and self.badge and not renewed:
                connection.close()
                shown = connection.route.headers.get("Authorization", "")
                if renewed := self.badge.renewed(address, shown, response.headers):
                    continue
            if response.status not in answer.REDIRECTS:
                try:
                    return Visit(address, connection, response, understand(response, byte_range))
                except BaseException:
                    connection.close()
                    raise
            connection.close()
            address = redirected(address, response.headers.get("Location", ""))
        raise Permanent(f'HTTP request errored: Get "{address.shown}": stopped after {REDIRECT_LIMIT} redirects')

    def route_to(self, address: Address) -> Route:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        trusted = keeps_secrets(self.origin, address)
        headers |= {name: text for name, text in self._headers if trusted or name.lower() not in NOT_FOR_OTHER_HOSTS}
        if trusted:
            headers |= dict(self._secret_headers)
        credentials = self._credentials if trusted else address.credentials
        authorization = self.badge.shown_to(address) if self.badge else credentials and basic(credentials)
        if authorization:
            headers["Authorization"] = authorization
        return Route(address, proxy_for(address, self._environment), headers, self._trust)

    def asks_anew(self, address: Address, status: int) -> bool:
        """Whether an answer to a later request only means that the way to the file is to be asked for once more."""
        if address == self.origin:
            return status in answer.REDIRECTS or (status == UNAUTHORIZED and self.badge is not None)
        return status in answer.REDIRECTS or status in answer.LOCKED_OUT


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


def understand(response: HTTPResponse, byte_range: tuple[int, int] | None) -> Answer:
    return answer.understood(response.status, response.reason, response.headers, byte_range, time.time())


def parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Permanent(f"invalid extra header {name!r}: it must be `Name: value`")
    return name.strip(), value.strip()


def secret_headers(directories: Sequence[str]) -> Iterator[str]:
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            raise Permanent(f"cannot read the secret headers in {directory}: {error.strerror}") from error
        for name in names:
            if not name.startswith("."):
                yield _secret(os.path.join(directory, name))


def credentials_in(directory: str) -> str:
    user, password = (_secret(os.path.join(directory, name)) for name in ("accessKeyId", "secretKey"))
    return f"{user}:{password}"


def _secret(path: str) -> str:
    """Without the white space around it, which nobody means and many secrets have (their file ends with a newline)."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(
            f"cannot read the secret {path}: {getattr(error, 'strerror', '') or error}",
            "The secret needs the keys accessKeyId and secretKey, or one header in each key.",
        ) from error
