"""Faults → HTTP answers: ``application/problem+json`` (RFC 9457) with the gRPC error's reason."""

import math
from typing import Any, Final

import grpc
import msgspec
from starlette.responses import Response

from drawdown import errors
from drawdown.server.status import code_of, fault_of, retry_after_s

CONTENT_TYPE: Final = "application/problem+json"

_Code = grpc.StatusCode
_STATUS: Final = {
    _Code.INVALID_ARGUMENT: 400,
    _Code.UNAUTHENTICATED: 401,
    _Code.PERMISSION_DENIED: 403,
    _Code.NOT_FOUND: 404,
    _Code.ALREADY_EXISTS: 409,
    _Code.FAILED_PRECONDITION: 409,
    _Code.RESOURCE_EXHAUSTED: 429,
    _Code.UNAVAILABLE: 503,
}
_TITLES: Final = {
    400: "The request cannot be understood",
    401: "A live API key is needed",
    403: "The key lacks the right",
    404: "There is no such thing",
    405: "Not this method",
    408: "The request did not arrive in time",
    409: "A rule refuses it",
    413: "The body is too large",
    415: "Not this content type",
    429: "Too many requests",
    500: "A fault of the server",
    503: "Not now",
}


class HttpRefusal(errors.InvalidRequestError):
    """A request refused for what HTTP says of it, before its content was looked at."""

    def __init__(self, status: int, message: str, *, field: str | None = None) -> None:
        super().__init__(message, field=field, reason="INVALID")
        self.status = status


def of_fault(raised: BaseException) -> Response:
    """The answer that says what was wrong, whether anything was applied, and when to come back."""
    fault = fault_of(raised)
    status = fault.status if isinstance(fault, HttpRefusal) else _STATUS.get(code_of(fault), 500)
    if isinstance(fault, errors.ReadOnlyError):
        status = 503
    about: dict[str, Any] = {
        "title": _TITLES[status],
        "status": status,
        "detail": fault.message,
        "reason": fault.reason,
        "definite": fault.definite,
    }
    if fault.field:
        about["field"] = fault.field
    headers = {}
    if wait_s := retry_after_s(fault):
        # Whole seconds are all that the header knows.
        headers["retry-after"] = str(math.ceil(wait_s))
    if status == 408:
        # The rest of that request may still come: it is not the beginning of another one.
        headers["connection"] = "close"
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(msgspec.json.encode(about), status, headers, CONTENT_TYPE)
