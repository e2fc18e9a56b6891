"""Faults → gRPC statuses, in one table. Nothing else in the server picks a code.

Every error carries ``google.rpc.ErrorInfo``: domain ``drawdown``, the stable reason, and in its
metadata ``definite`` (``true``: certainly not applied; ``false``: unknown, repeat with the same
ids) and the ``field`` at fault. What may be retried later carries ``google.rpc.RetryInfo`` as well.
"""

import asyncio
import functools
import logging
import math
import uuid
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from drawdown import errors
from drawdown.engine import RawEngineError, translated
from drawdown.server.context import Context

_log = logging.getLogger("drawdown.server")

DOMAIN: Final = "drawdown"
# A character may take four bytes, in the status and in its details: a client drops a call whose
# trailers are larger than it takes, and would not learn what was wrong.
MESSAGE_CHARACTERS_MAX: Final = 512
# Where a refusal does not say by itself when there will be time.
RETRY_AFTER_S: Final = 0.1

Code = grpc.StatusCode

# The first that fits, subclasses before their base; a test checks that every exception is covered.
CODES: Final[tuple[tuple[type[errors.DrawdownError], grpc.StatusCode], ...]] = (
    (errors.InvalidRequestError, Code.INVALID_ARGUMENT),
    (errors.NotFoundError, Code.NOT_FOUND),
    (errors.AlreadyExistsError, Code.ALREADY_EXISTS),
    (errors.PreconditionError, Code.FAILED_PRECONDITION),
    (errors.UnauthenticatedError, Code.UNAUTHENTICATED),
    (errors.PermissionDeniedError, Code.PERMISSION_DENIED),
    (errors.OverloadedError, Code.RESOURCE_EXHAUSTED),
    (errors.ReadOnlyError, Code.RESOURCE_EXHAUSTED),
    (errors.UnavailableError, Code.UNAVAILABLE),
    (errors.SnapshotUnavailableError, Code.UNAVAILABLE),
    (errors.SnapshotError, Code.FAILED_PRECONDITION),
    (errors.FolderLockedError, Code.FAILED_PRECONDITION),
    (errors.ConfigError, Code.FAILED_PRECONDITION),
    (errors.CorruptDataError, Code.DATA_LOSS),
    (errors.InternalError, Code.INTERNAL),
)


def code_of(fault: errors.DrawdownError) -> grpc.StatusCode:
    """The gRPC code of a fault."""
    for kind, code in CODES:
        if isinstance(fault, kind):
            return code
    return Code.INTERNAL


def fault_of(raised: BaseException) -> errors.DrawdownError:
    """The fault to answer; one that is not ours is logged with an id and says no more than that id."""
    if isinstance(raised, errors.DrawdownError):
        return raised
    if isinstance(raised, RawEngineError):
        ours = translated(raised)
        if not isinstance(ours, errors.InternalError):
            return ours
    incident = uuid.uuid4().hex[:12]
    _log.error("internal fault", exc_info=raised, extra={"incident": incident})
    return errors.InternalError(f"internal fault {incident}; the server's log has the details")


def details_of(fault: errors.DrawdownError) -> bytes:
    """``google.rpc.Status`` with ``ErrorInfo`` and, where a retry may help, ``RetryInfo``; encoded."""
    return _details(
        code_of(fault).name,
        shortened(fault.message),
        fault.reason,
        (fault.field or "")[:128],
        fault.definite,
        math.ceil(round(retry_after_s(fault) * 1000, 3)),
    )


def retry_after_s(fault: errors.DrawdownError) -> float:
    """How long to wait before a repeat; 0 where none helps."""
    if not fault.retryable:
        return 0.0
    asked_s = fault.retry_after_s if isinstance(fault, errors.OverloadedError) else 0.0
    return asked_s or RETRY_AFTER_S


def shortened(message: str) -> str:
    """As much of a message as goes out."""
    return message[:MESSAGE_CHARACTERS_MAX]


# An overloaded server says the same thing thousands of times a second.
@functools.lru_cache(256)
def _details(code: str, message: str, reason: str, field: str, definite: bool, retry_after_ms: int) -> bytes:
    info = error_details_pb2.ErrorInfo(domain=DOMAIN, reason=reason)
    info.metadata["definite"] = "true" if definite else "false"
    if field:
        info.metadata["field"] = field
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
    status.details.append(_packed(info))
    if retry_after_ms:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(retry_after_ms)
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    encoded: bytes = status.SerializeToString()
    return encoded


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


async def abort(context: Context, raised: BaseException) -> NoReturn:
    """End the call with the status of ``raised``; never returns."""
    fault = fault_of(raised)
    try:
        await context.abort(
            code_of(fault),
            shortened(fault.message),
            trailing_metadata=(("grpc-status-details-bin", details_of(fault)),),
        )
    except grpc.aio.InternalError:
        # The caller has gone meanwhile: nobody is left to be told, and it is no fault of this software.
        raise asyncio.CancelledError from None
    raise AssertionError("abort returned")
