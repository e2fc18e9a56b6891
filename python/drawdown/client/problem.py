"""A refusal as an HTTP answer: ``application/problem+json`` (RFC 9457) with the rule that refused.

| status | when |
|---|---|
| 402 | too few credits |
| 429 | a limit is reached, or the service sheds load |
| 403 | suspended, unknown or not entitled |
| 500 | the application asks what cannot be answered, or with a credential that lacks the right |
| 503 | the balance service cannot be asked |
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import msgspec

from drawdown.errors import DrawdownError, OverloadedError
from drawdown.model import CheckResult
from drawdown.model.plain_json import plain_json

_log = logging.getLogger("drawdown.client")

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

_STATUS = {"INSUFFICIENT": 402, "LIMIT_REACHED": 429}
_FORBIDDEN = 403
_TITLES = {
    402: "Not enough credits",
    403: "Not entitled",
    429: "Limit reached",
    500: "Balance not checked",
    503: "Balance service unavailable",
}
_DETAILS = {
    "INSUFFICIENT": "The account has too few credits for this; buy more and repeat.",
    "LIMIT_REACHED": "The account's limit is reached.",
    "ACCOUNT_SUSPENDED": "The account is suspended.",
    "ACCOUNT_UNKNOWN": "There is no such account.",
    "NOT_ENTITLED": "The account's plan does not contain this.",
}
PHRASES = {
    402: "Payment Required",
    403: "Forbidden",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Problem(NamedTuple):
    """An HTTP answer that refuses."""

    status: int
    body: bytes
    retry_after_s: int | None = None

    def headers(self) -> list[tuple[str, str]]:
        """Content type and length, and when to come back."""
        found = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(self.body)))]
        if self.retry_after_s is not None:
            found.append(("Retry-After", str(self.retry_after_s)))
        return found


def of_check(check: CheckResult, meter: str) -> Problem:
    """The answer for a check that was not allowed."""
    status = _STATUS.get(check.reason, _FORBIDDEN)
    about: dict[str, Any] = {
        "title": _TITLES[status],
        "status": status,
        "detail": _DETAILS.get(check.reason, "This is not allowed now."),
        "reason": check.reason,
        "meter": meter,
    }
    if check.available is not None:
        about["available"] = check.available
    return Problem(status, plain_json(about))


def of_error(error: DrawdownError) -> Problem:
    """The answer where the question could not be asked; nothing of the server's own words goes out.

    A fault that the same request would meet again is the application's own: it is logged, and whoever sent
    the request is not told to repeat it.
    """
    if not error.retryable:
        _log.error("a request could not be checked: %s", error)
        about = {"title": _TITLES[500], "status": 500, "detail": "A repeat would end the same."}
        return Problem(500, msgspec.json.encode({**about, "reason": error.reason}))
    status = 429 if isinstance(error, OverloadedError) else 503
    about = {"title": _TITLES[status], "status": status, "detail": "Try again.", "reason": error.reason}
    return Problem(status, msgspec.json.encode(about), RETRY_AFTER_S)
