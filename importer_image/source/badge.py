"""What lets us in where one user and one password do not: signatures, tokens.

A badge is shown anew with every request, because a signature holds for one request and a token for an hour. It also
reads refusals, because what a cloud says in the body of an answer is worth more to the user than its status, and
because some of them are only the way to say: ask again, with this region, with a new token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from importer_image.errors import ImportFailure
from importer_image.source.address import Address

if TYPE_CHECKING:
    from email.message import Message

LONGEST_BODY_BYTES = 64 << 10


@dataclass(frozen=True)
class Refusal:
    """An answer that brings no bytes of the image."""

    address: Address
    status: int
    headers: Message
    body: bytes
    """At most LONGEST_BODY_BYTES of it."""
    shown: Mapping[str, str]
    """What the badge had added to the request."""
    attempt: int
    """How many answers there were before, since the way to the file was last asked for."""


class Badge(Protocol):
    """Used by several threads at once."""

    def shown(self, address: Address, headers: Mapping[str, str]) -> Mapping[str, str]:
        """What to add to a request that has these headers. Raises ImportFailure where it cannot be had."""

    def judged(self, refusal: Refusal) -> Address | ImportFailure | None:
        """Where to ask now, be it the same address; or why there is no way in; None: it means what HTTP says."""
