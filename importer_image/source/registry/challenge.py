"""What a registry wants to see before it lets somebody in, as it says in WWW-Authenticate. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from importer_image.errors import Permanent

_SCHEME = re.compile(r"\s*,?\s*([A-Za-z][\w-]*)(?=\s|,|$)\s*(?!\s*=)")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Challenge:
    scheme: str
    """In lower case: bearer, basic."""
    parameters: dict[str, str]

    def token_url(self, scope: str) -> str:
        """Where a token is to be had; `scope` is what to ask for where the registry does not say."""
        realm = self.parameters.get("realm", "")
        query = {"service": self.parameters.get("service", ""), "scope": self.parameters.get("scope", "") or scope}
        text = urlencode({name: value for name, value in query.items() if value})
        return f"{realm}{'&' if '?' in realm else '?'}{text}"


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """All that these headers hold, in their order; what cannot be read is left out."""
    found: list[Challenge] = []
    for header in headers:
        place = 0
        while place < len(header):
            if (parameter := _PARAMETER.match(header, place)) and found:
                name, quoted, plain = parameter.groups()
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                found[-1].parameters.setdefault(name.lower(), value)
                place = parameter.end()
            elif scheme := _SCHEME.match(header, place):
                found.append(Challenge(scheme[1].lower(), {}))
                place = scheme.end()
            else:
                break
    return found


def token_in(content: bytes) -> str:
    """The token that an authorization server has answered with. Raises Permanent."""
    try:
        answer = json.loads(content)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, RecursionError, AttributeError) as error:
        raise Permanent("unable to retrieve auth token: the answer is not JSON") from error
    if not isinstance(token, str) or not _HEADER_SAFE.fullmatch(token):
        raise Permanent("unable to retrieve auth token: there is none in the answer")
    return token
