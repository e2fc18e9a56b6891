"""What a watch was asked for it has for as long as it is open: each part of it is bounded, and the whole."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from drawdown.server.typed import KEPT_BYTES_MAX
from drawdown.v1 import account_pb2, entitlement_pb2, notice_pb2

from tests.server.calls import Calls, error_info
from tests.server.processes import ServerProcess
from tests.server.test_hostile_clients import resident_bytes

MIB = 1 << 20
WATCH = "EntitlementService/WatchEntitlements"
QUESTIONS, WATCHES = 900, 20
GROWTH_MAX = 96 * MIB


def first_of(calls: Calls, path: str, request: Any, *, unknown: bytes = b"") -> grpc.Call:
    """The stream, once its first message is there."""
    stream = calls.channel.unary_stream(f"/drawdown.v1.{path}")
    opened = stream(request.SerializeToString() + unknown, timeout=30)
    next(opened)
    return opened


def refusal(calls: Calls, path: str, request: Any, *, unknown: bytes = b"") -> tuple[str, str]:
    """The field at fault, and the sentence."""
    with pytest.raises(grpc.RpcError) as failure:
        first_of(calls, path, request, unknown=unknown)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    return error_info(failure.value).metadata.get("field", ""), failure.value.details() or ""


def watch(**question: Any) -> entitlement_pb2.WatchEntitlementsRequest:
    asked = {"account_id": "acme", "meter": "tokens", **question}
    return entitlement_pb2.WatchEntitlementsRequest(checks=[asked])


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"meter": "m" * 129}, "meter"),
        ({"meter": ""}, "meter"),
        ({"account_id": "a" * 129}, "account_id"),
        ({"dimensions": {f"k{number}": "v" for number in range(17)}}, "dimensions"),
        ({"dimensions": {"k": "v" * 129}}, "dimensions"),
        ({"dimensions": {"k" * 129: "v"}}, "dimensions"),
    ],
)
def test_a_question_is_no_larger_than_a_check(calls: Calls, question: dict[str, Any], field: str) -> None:
    assert refusal(calls, WATCH, watch(**question))[0] == field


def test_the_longest_question_is_watched(calls: Calls) -> None:
    pairs = {f"{number:0128}": "v" * 128 for number in range(16)}
    first_of(calls, WATCH, watch(account_id="a" * 128, meter="m" * 128, dimensions=pairs)).cancel()


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (WATCH, watch()),
        ("AccountService/WatchBalances", account_pb2.WatchBalancesRequest(account_ids=["acme"])),
        ("NoticeService/WatchNotices", notice_pb2.WatchNoticesRequest()),
        ("EntitlementService/KeepReservations", entitlement_pb2.KeepReservationsRequest(session_id="s")),
    ],
)
def test_a_stream_keeps_a_mebibyte_at_most(calls: Calls, path: str, request_: Any) -> None:
    """Whatever it is made of: fields that nobody knows are kept with the rest."""
    first_of(calls, path, request_).cancel()
    # Field 2047, of so many bytes.
    unknown = bytes([0xFA, 0x7F, 0x80, 0x80, 0x40]) + bytes(KEPT_BYTES_MAX)
    assert "open several" in refusal(calls, path, request_, unknown=unknown)[1]


def test_many_watches_of_many_questions_are_kept_in_little(calls: Calls, server: ServerProcess) -> None:
    checks = [{"account_id": f"acme-{n}", "meter": "m" * 128, "quantity": n} for n in range(QUESTIONS)]
    request = entitlement_pb2.WatchEntitlementsRequest(checks=checks)
    before = resident_bytes(server)
    watches = [first_of(calls, WATCH, request) for _ in range(WATCHES)]
    assert resident_bytes(server) - before < GROWTH_MAX
    for each in watches:
        each.cancel()
