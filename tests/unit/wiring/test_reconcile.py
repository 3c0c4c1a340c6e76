"""How each way of failing is answered: its name in the metrics, and when the key is looked at again."""

from __future__ import annotations

import pytest

from cdi_operator.cluster.errors import ApiError, Stale, Unreachable
from cdi_operator.wiring.reconcile import answer


@pytest.mark.parametrize(
    ("error", "outcome", "first_s", "after_ten_s"),
    [
        # what went wrong                                     name           retry    after ten failures
        (Stale("moved on"), "stale", 0.01, 5),
        (Unreachable("connection refused"), "unreachable", 0.2, 5),
        (ApiError(503, "ServiceUnavailable", ""), "unwell", 0.5, 60),
        (ApiError(500, "InternalError", "", retry_after_s=2), "unwell", 2, 60),
        (ApiError(429, "TooManyRequests", "", retry_after_s=90), "unwell", 90, 90),
        (ApiError(403, "Forbidden", "no right"), "refused", 1, 300),
        (ApiError(422, "Invalid", "no value"), "refused", 1, 300),
        (KeyError("a bug of ours"), "broken", 1, 300),
    ],
)
def test_answer(error: Exception, outcome: str, first_s: float, after_ten_s: float) -> None:
    named, retry = answer(error)
    assert (named, retry.delay_s(0), retry.delay_s(10)) == (outcome, first_s, after_ten_s)
