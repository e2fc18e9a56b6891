"""From a failed call to the exception that the embedded form would raise.

``google.rpc.ErrorInfo`` in the trailers carries the stable reason, whether the failure is definite,
and the field at fault. Without it (a proxy answered, the connection broke) the code decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from drawdown import errors
from drawdown.client.unreachable import unreachable
from drawdown.errors import DrawdownError

_TRAILER = "grpc-status-details-bin"

_BY_CODE: dict[grpc.StatusCode, type[DrawdownError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: errors.NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.PreconditionError,
    grpc.StatusCode.UNAUTHENTICATED: errors.UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.OverloadedError,
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.UnavailableError,
    grpc.StatusCode.CANCELLED: errors.UnavailableError,
    grpc.StatusCode.ABORTED: errors.UnavailableError,
    # What the server calls INTERNAL carries details; without them the connection broke under the call.
    grpc.StatusCode.INTERNAL: errors.UnavailableError,
    grpc.StatusCode.UNKNOWN: errors.UnavailableError,
}

_WITHOUT_DETAILS: dict[grpc.StatusCode, type[DrawdownError]] = {
    **_BY_CODE,
    # The server gives details of what it has shed. This may be about an answer too large for somebody.
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.UnavailableError,
}


def _tree(root: type[DrawdownError]) -> Iterator[type[DrawdownError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_BY_REASON: dict[str, type[DrawdownError]] = {kind.reason: kind for kind in _tree(DrawdownError)}


def error_of(failure: grpc.RpcError) -> DrawdownError:
    """The exception to raise for a failed call, with ``reason``, ``field`` and ``definite`` of the server."""
    code: grpc.StatusCode = failure.code()
    message = failure.details() or code.name
    info = _error_info(failure)
    if info is None:
        kind = _WITHOUT_DETAILS.get(code, errors.InternalError)
        return kind(unreachable(message) or f"{message} ({code.name})")
    kind = _BY_REASON.get(info.reason) or _BY_CODE.get(code, errors.InternalError)
    found = kind(
        message,
        reason=info.reason,
        field=info.metadata.get("field") or None,
        definite=info.metadata.get("definite") == "true",
    )
    if isinstance(found, errors.OverloadedError):
        found.retry_after_s = retry_after_s(failure)
    return found


def retry_after_s(failure: grpc.RpcError) -> float:
    """How long the server asks to wait before a repeat; 0 where it does not say."""
    hint = error_details_pb2.RetryInfo()
    return hint.retry_delay.ToTimedelta().total_seconds() if _detail(failure, hint) else 0.0


def _error_info(failure: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    info = error_details_pb2.ErrorInfo()
    return info if _detail(failure, info) else None


def _detail(failure: grpc.RpcError, wanted: Message) -> bool:
    """Whether the trailers carry a detail of this kind; it is then in ``wanted``."""
    for key, value in failure.trailing_metadata() or ():
        if key != _TRAILER:
            continue
        status = status_pb2.Status.FromString(value)
        for detail in status.details:
            if detail.Is(wanted.DESCRIPTOR):
                return bool(detail.Unpack(wanted))
    return False
