"""How a registry lets us in: with a token from the server that it sends us to, or with user and password.

Tokens last for minutes, a download for hours. So whenever the registry answers 401 a new one is fetched, by the first
of all connections that hears of it. Neither tokens nor passwords go anywhere else than to the registry and to the
server that it names: not to the storage that a blob is redirected to, not even on the same host.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from importer_image.errors import Permanent, told_as
from importer_image.source.address import Address, parse
from importer_image.source.badge import Refusal
from importer_image.source.connection import basic
from importer_image.source.registry.body import body_of
from importer_image.source.registry.challenge import Challenge, challenges, token_in
from importer_image.source.site import Site

ANSWER_LIMIT_BYTES = 1 << 20
UNAUTHORIZED = 401
ATTEMPTS = 2
"""Answers after which a new token makes no difference: one may have sent us on, one have wanted a token."""


class RegistryBadge:
    def __init__(self, site: Site, login: str, scope: str, insecure: bool) -> None:
        """`site` knows proxies and whom to trust; `login` is `user:password` or empty."""
        self._site = site
        self._registry = site.origin
        self._login = login
        self._scope = scope
        self._insecure = insecure
        self._lock = Lock()
        self._shown = ""

    def shown(self, address: Address, headers: Mapping[str, str]) -> Mapping[str, str]:
        return authorization(self._shown, address, self._registry)

    def judged(self, refusal: Refusal) -> Address | None:
        asked_for = refusal.status == UNAUTHORIZED and same_server(refusal.address, self._registry)
        if not asked_for or refusal.attempt == ATTEMPTS:
            return None
        shown = refusal.shown.get("Authorization", "")
        with self._lock:
            if shown == self._shown:
                self._shown = self._answer_to(challenges(refusal.headers.get_all("WWW-Authenticate", [])))
            return refusal.address if self._shown not in ("", shown) else None

    def _answer_to(self, asked: list[Challenge]) -> str:
        for challenge in asked:
            if challenge.scheme == "bearer":
                return f"Bearer {self._token(challenge)}"
        if self._login and any(challenge.scheme == "basic" for challenge in asked):
            return basic(self._login)
        return ""

    def _token(self, challenge: Challenge) -> str:
        with told_as("unable to retrieve auth token"):
            url = challenge.token_url(self._scope)
            if self._login and (self._registry.scheme, parse(url).scheme) == ("https", "http") and not self._insecure:
                raise Permanent(
                    f"the registry wants the password to be sent in plain text to {parse(url).authority}",
                    "Let the registry name a server with https.",
                )
            badge = Password(self._login, parse(url)) if self._login else None
            return token_in(body_of(self._site.elsewhere(url, badge), ANSWER_LIMIT_BYTES))


class Password:
    """User and password for one server, which does not ask for them first."""

    def __init__(self, login: str, server: Address) -> None:
        self._login = login
        self._server = server

    def shown(self, address: Address, headers: Mapping[str, str]) -> Mapping[str, str]:
        return authorization(basic(self._login), address, self._server)

    def judged(self, refusal: Refusal) -> None:
        """It means what HTTP says."""


def authorization(text: str, address: Address, server: Address) -> Mapping[str, str]:
    return {"Authorization": text} if text and same_server(address, server) else {}


def same_server(one: Address, other: Address) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
