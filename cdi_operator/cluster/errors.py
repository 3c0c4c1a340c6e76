"""How talking to the API server fails. Three ways, told apart because each is answered differently."""

from __future__ import annotations

RETRYABLE = frozenset({429, 500, 502, 503, 504})


class ApiError(Exception):
    """The API server answered, and the answer is no.

    `status` is the HTTP status, `reason` and `message` are those of the API's Status object, `retry_after_s` is what
    the server asked for (0: nothing).
    """

    def __init__(self, status: int, reason: str, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def transient(self) -> bool:
        """It is the server that is not well, not the request."""
        return self.status in RETRYABLE


class Unreachable(Exception):
    """No answer: refused, reset, timed out. Whether a write was done is not known."""


class Stale(Exception):
    """The cluster has moved on since the decision was made: look again and decide anew."""
