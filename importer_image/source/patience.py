"""How long to go on asking a server that does not answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Attempts in a row without a single new byte, and the pauses between them: doubled each time, up to a limit."""

    attempts: int
    first_s: float
    longest_s: float

    def pause_s(self, failures: int, retry_after_s: float = 0.0) -> float | None:
        """How long to wait after so many failures in a row (at least 1); None: it is enough."""
        if failures >= self.attempts:
            return None
        return max(min(self.first_s * (1 << failures - 1), self.longest_s), retry_after_s)


OPENING = Patience(attempts=4, first_s=0.1, longest_s=1.0)
"""A user who mistyped a host name wants to know now, and Kubernetes starts the pod again anyway."""
READING = Patience(attempts=9, first_s=0.1, longest_s=10.0)
"""Twenty seconds and more: what has been transferred is worth waiting for a server that is started anew."""
