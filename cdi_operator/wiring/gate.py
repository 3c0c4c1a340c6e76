"""Who may read the metrics: whoever the API server knows and lets `get` the path /metrics (spec 9).

Two questions to the API server for each token, whose answers hold for a while: Prometheus comes every 30 s or so.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable

log = structlog.get_logger(__name__)

HOLDS_S = 10.0
"""As long as the API server's own aggregated servers believe a token."""
REMEMBERED = 128
PATH = "/metrics"

OK, UNAUTHORIZED, FORBIDDEN, UNAVAILABLE = 200, 401, 403, 503


@dataclass
class Gate:
    client: Client
    clock: Callable[[], float] = time.monotonic
    _answers: OrderedDict[bytes, tuple[int, float]] = field(default_factory=OrderedDict)
    """By digest of the token: what was answered, and until when that holds."""

    async def judge(self, authorization: str) -> int:
        """HTTP status for a request with that header; OK when it may go on."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return UNAUTHORIZED
        digest = hashlib.sha256(token.encode()).digest()
        known = self._answers.get(digest)
        if known is not None and self.clock() < known[1]:
            return known[0]
        try:
            answer = await self._ask(token.strip())
        except (ApiError, Unreachable) as error:
            log.warning("cannot find out who wants to read the metrics", error=str(error))
            return UNAVAILABLE
        self._answers[digest] = answer, self.clock() + HOLDS_S
        self._answers.move_to_end(digest)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    async def _ask(self, token: str) -> int:
        who = await self._review("authentication.k8s.io/v1", "TokenReview", {"token": token})
        if not who.get("authenticated"):
            return UNAUTHORIZED
        wanted = {"nonResourceAttributes": {"path": PATH, "verb": "get"}}
        answer = await self._review("authorization.k8s.io/v1", "SubjectAccessReview", {**wanted, **_subject(who)})
        return OK if answer.get("allowed") else FORBIDDEN

    async def _review(self, api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        asked = {"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec}
        status: dict[str, Any] = (await self.client.create(asked)).get("status") or {}
        return status


def _subject(who: dict[str, Any]) -> dict[str, Any]:
    """As one review names a user, and as the other wants to be told of one."""
    user = who.get("user") or {}
    found = {"user": user.get("username"), **{key: user.get(key) for key in ("uid", "groups", "extra")}}
    return {key: value for key, value in found.items() if value}
