"""The tree of exceptions: drawn as it is, and each with one gRPC code."""

import asyncio
import re
from typing import Any

import grpc
import pytest
from drawdown import errors
from drawdown._engine import UnavailableError as RawUnavailableError
from drawdown.cli.exit_codes import DISK, INTERNAL, exit_code_of
from drawdown.engine import RawEngineError, status_names, translated
from drawdown.model.status import STATUS_NAMES, status_name
from drawdown.server import status
from drawdown.v1 import usage_pb2
from google.rpc import status_pb2


def tree(root: type[errors.DrawdownError]) -> list[type[errors.DrawdownError]]:
    found = [root]
    for child in root.__subclasses__():
        found += tree(child)
    return found


def test_the_drawing_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"(\w*Error)\b", (errors.__doc__ or "").split("::")[1])
    assert sorted(drawn) == sorted(kind.__name__ for kind in tree(errors.DrawdownError))


def test_reasons_are_unique_upper_case_words() -> None:
    reasons = [kind.reason for kind in tree(errors.DrawdownError)[1:]]
    assert all(re.fullmatch(r"[A-Z][A-Z_]*", reason) for reason in reasons)
    assert len(reasons) == len(set(reasons))


def test_every_exception_has_a_code_of_its_own_table() -> None:
    for kind in tree(errors.DrawdownError)[1:]:
        fault = kind("what was wrong")
        assert any(isinstance(fault, listed) for listed, _ in status.CODES), kind
        details = status_pb2.Status.FromString(status.details_of(fault))
        assert details.message == "what was wrong"
        assert details.code == status.code_of(fault).value[0]


def test_an_earlier_row_never_hides_a_later_one() -> None:
    listed = [kind for kind, _ in status.CODES]
    for number, kind in enumerate(listed):
        assert not any(issubclass(kind, earlier) for earlier in listed[:number]), kind


def test_shed_work_says_when_to_retry() -> None:
    details = status_pb2.Status.FromString(status.details_of(errors.OverloadedError("full")))
    assert [each.type_url.rpartition(".")[2] for each in details.details] == ["ErrorInfo", "RetryInfo"]
    assert status.code_of(errors.OverloadedError("full")) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_same_refusal_is_encoded_once() -> None:
    first, second = (status.details_of(errors.OverloadedError("too much; nothing was applied")) for _ in "12")
    assert first is second
    assert status.details_of(errors.OverloadedError("too much; nothing was applied", definite=False)) != first


def test_an_unforeseen_fault_leaks_nothing() -> None:
    fault = status.fault_of(KeyError("secret"))
    assert isinstance(fault, errors.InternalError)
    assert "secret" not in fault.message
    assert not fault.definite


def test_exceptions_of_the_extension_keep_reason_and_definiteness() -> None:
    raw = RawEngineError("something else")
    assert isinstance(translated(raw), errors.InternalError)


def test_a_journal_that_is_behind_is_no_fault_of_the_caller() -> None:
    raw = RawUnavailableError("the journal did not reach seq 7 in time; retry later")
    raised = translated(raw)
    assert (type(raised), raised.reason, raised.retryable) == (errors.UnavailableError, "UNAVAILABLE", True)
    assert status.code_of(raised) is grpc.StatusCode.UNAVAILABLE


def test_statuses_are_the_same_everywhere() -> None:
    assert tuple(status_names()) == STATUS_NAMES
    wire = {value.number: value.name for value in usage_pb2.Status.DESCRIPTOR.values}
    assert wire == {0: "STATUS_UNSPECIFIED"} | {
        number: f"STATUS_{name}" for number, name in enumerate(STATUS_NAMES, start=1)
    }
    assert status_name(1) == "OK"
    with pytest.raises(ValueError, match="not known"):
        status_name(len(STATUS_NAMES) + 1)


def test_a_file_that_cannot_be_written_ends_a_command_as_a_failed_disk() -> None:
    """Found by a rename that failed while ``serve`` closed: it ended with 70, a fault of this software."""
    raised = errors.InternalError("could not write META: no space left on device", reason="IO")
    assert exit_code_of(raised) == DISK
    assert exit_code_of(errors.InternalError("a wrong assumption")) == INTERNAL


class GoneContext:
    """The call of a caller that reset it: there is nothing left to end."""

    async def abort(self, *_: Any, **__: Any) -> None:
        raise grpc.aio.InternalError('Failed "execute_batch"')


def test_a_caller_that_has_gone_is_no_fault_of_this_software() -> None:
    async def story() -> None:
        await status.abort(GoneContext(), errors.InvalidRequestError("the call carries no batch"))  # type: ignore[arg-type]

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())
