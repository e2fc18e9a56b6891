"""From a failed call to the right exception, and how long to wait before the next try."""

from __future__ import annotations

import grpc
import pytest
from drawdown import errors
from drawdown.client.backoff import FIRST_S, Backoff, RetryBudget
from drawdown.client.channel import check_target
from drawdown.client.rpc_errors import error_of
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2


class Failure(grpc.RpcError):
    """A call that failed, as grpc shows it."""

    def __init__(self, code: grpc.StatusCode, trailers: tuple[tuple[str, bytes], ...] = ()) -> None:
        self._code = code
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "what was wrong"

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return self._trailers


def with_info(code: grpc.StatusCode, reason: str, **metadata: str) -> Failure:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="drawdown", metadata=metadata)
    packed = any_pb2.Any()
    packed.Pack(info)
    status = status_pb2.Status(code=code.value[0], message="what was wrong", details=[packed])
    return Failure(code, (("grpc-status-details-bin", status.SerializeToString()),))


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequestError, False),
        (grpc.StatusCode.NOT_FOUND, errors.NotFoundError, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.UnavailableError, True),
        (grpc.StatusCode.UNAVAILABLE, errors.UnavailableError, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.UnavailableError, True),
        (grpc.StatusCode.UNAUTHENTICATED, errors.UnauthenticatedError, False),
        # The server's own faults carry details; without them the transport broke, answer unknown.
        (grpc.StatusCode.INTERNAL, errors.UnavailableError, True),
        (grpc.StatusCode.UNKNOWN, errors.UnavailableError, True),
        (grpc.StatusCode.UNIMPLEMENTED, errors.InternalError, False),
        (grpc.StatusCode.DATA_LOSS, errors.InternalError, False),
    ],
)
def test_without_details_the_code_decides(
    code: grpc.StatusCode, kind: type[errors.DrawdownError], retryable: bool
) -> None:
    """A proxy's answer has no details; its code still says whether a retry may help."""
    error = error_of(Failure(code))
    assert type(error) is kind
    assert error.retryable is retryable


@pytest.mark.parametrize(
    "kind", [errors.AccountNotFoundError, errors.EngineHaltedError, errors.ReadOnlyError]
)
def test_the_reason_names_the_exception(kind: type[errors.DrawdownError]) -> None:
    """Reason, field and definiteness come from the server's details."""
    error = error_of(with_info(grpc.StatusCode.UNKNOWN, kind.reason, definite="true", field="account"))
    assert type(error) is kind
    assert (error.reason, error.field, error.definite) == (kind.reason, "account", True)


def test_a_fault_of_the_server_itself_is_not_repeated() -> None:
    """INTERNAL with details is the server's word."""
    error = error_of(with_info(grpc.StatusCode.INTERNAL, errors.InternalError.reason, definite="false"))
    assert type(error) is errors.InternalError
    assert not error.retryable


def test_delays_grow_with_jitter_up_to_the_limit() -> None:
    """Never 0, never above the limit, and growing on the way there."""
    backoff = Backoff(delay_s_max=1.0)
    delays = [backoff.next_s() for _ in range(200)]
    assert all(0 < delay <= 1.0 for delay in delays)
    assert max(delays) > 4 * FIRST_S
    backoff.reset()
    assert backoff.next_s() <= FIRST_S


@pytest.mark.parametrize(
    "target", ["localhost", "localhost:", ":7070", "localhost:0", "localhost:70000", "x:y"]
)
def test_a_target_is_host_and_port(target: str) -> None:
    """Anything else is refused before a connection is tried."""
    with pytest.raises(errors.InvalidRequestError) as refused:
        check_target(target)
    assert refused.value.field == "target"


def test_an_overloaded_server_gets_a_tenth_of_the_calls_again() -> None:
    budget = RetryBudget()
    shed = errors.OverloadedError("full")
    repeats = 0
    for _ in range(1_000):
        budget.called()
        while budget.allows(shed):
            repeats += 1
    assert 1_000 * RetryBudget.SHARE <= repeats <= 1_000 * RetryBudget.SHARE + RetryBudget.FIRST
    assert budget.allows(errors.UnavailableError("gone")), "a restart is waited for"
    assert budget.allows(errors.OverloadedError("slower", reason="RATE_LIMITED")), "a key's rate is kept to"
    assert not budget.allows(errors.InvalidRequestError("never"))
