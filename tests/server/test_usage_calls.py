"""UsageService and EntitlementService of a real server."""

from pathlib import Path

import grpc
import pytest
from drawdown.engine import BatchEncoder
from drawdown.model import now_us
from drawdown.v1 import account_pb2, entitlement_pb2, grant_pb2, usage_pb2

from tests.server.calls import Calls, available, batch, error_info, set_up
from tests.server.processes import serving


def fresh_account(calls: Calls, account: str, amount: str) -> None:
    calls.call("AccountService/CreateAccount", account_pb2.CreateAccountRequest(account_id=account))
    calls.call(
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id=account,
            grant=grant_pb2.GrantContent(grant_id="g", credit_type="credits", amount=amount),
        ),
    )


def test_acks_come_in_order_one_per_batch(calls: Calls) -> None:
    fresh_account(calls, "ordered", "1000")
    sent = [batch(number, (f"e{number}", 1), account="ordered") for number in range(500)]
    acks = list(calls.stream(sent))
    assert [ack.batch_id for ack in acks] == list(range(500))
    assert all((ack.applied, ack.duplicates, ack.refused) == (1, 0, 0) for ack in acks)
    assert all(ack.durable for ack in acks)
    seqs = [ack.seq for ack in acks]
    assert seqs == sorted(seqs)
    assert available(calls, "ordered") == "500"


def test_refused_events_never_end_the_stream(calls: Calls) -> None:
    fresh_account(calls, "short", "5")
    acks = list(
        calls.stream(
            [
                batch(1, ("a", 3), account="short"),
                batch(2, ("b", 3), account="short"),
                batch(3, ("c", 1), account="nobody"),
                batch(4, ("d", 2), account="short"),
            ]
        )
    )
    assert [(ack.applied, ack.refused) for ack in acks] == [(1, 0), (0, 1), (0, 1), (1, 0)]
    refused = acks[1].exceptions[0]
    assert (refused.status, refused.available, refused.shortfall) == (
        usage_pb2.STATUS_INSUFFICIENT,
        2_000_000,
        1_000_000,
    )
    assert acks[2].exceptions[0].status == usage_pb2.STATUS_ACCOUNT_UNKNOWN
    assert available(calls, "short") == "0"


def test_sending_the_same_again_changes_nothing(calls: Calls) -> None:
    fresh_account(calls, "again", "100")
    sent = [
        usage_pb2.UsageBatch(
            batch_id=number,
            events=[
                usage_pb2.UsageEvent(event_id=f"e{number}", account_id="again", meter="tokens", quantity=2)
            ],
        )
        for number in range(20)
    ]
    first = list(calls.stream(sent))
    second = list(calls.stream(sent))
    assert sum(ack.applied for ack in first) == 20
    assert (sum(ack.applied for ack in second), sum(ack.duplicates for ack in second)) == (0, 20)
    assert available(calls, "again") == "60"


def test_unary_usage_is_the_same(calls: Calls) -> None:
    fresh_account(calls, "unary", "10")
    ack = calls.call("UsageService/RecordUsage", batch(9, ("x", 4), ("y", 7), account="unary"))
    assert (ack.batch_id, ack.applied, ack.refused) == (9, 1, 1)
    assert [each.index for each in ack.exceptions] == [1]
    assert available(calls, "unary") == "6"


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff\xff", b"\x1a\x7f", b"\x0a", b"\x1b", b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"],
    ids=["overlong", "truncated", "cut", "group", "giant"],
)
def test_malformed_bytes_are_an_invalid_argument(calls: Calls, body: bytes) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        calls.raw("UsageService/RecordUsage", body)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    info = error_info(failure.value)
    assert (info.domain, info.reason, info.metadata["definite"]) == ("drawdown", "INVALID", "true")


def test_malformed_bytes_end_a_stream_after_the_acks_before_them(calls: Calls) -> None:
    fresh_account(calls, "halfway", "10")
    answers = calls.stream([batch(1, ("a", 1), account="halfway"), b"\xff\xff\xff"])
    acks = []
    with pytest.raises(grpc.RpcError) as failure:
        for ack in answers:
            acks.append(ack)
    assert [ack.batch_id for ack in acks] == [1]
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(failure.value).metadata["definite"] == "true"
    assert available(calls, "halfway") == "9"


def test_check_answers_without_changing_anything(calls: Calls) -> None:
    fresh_account(calls, "asking", "3")
    allowed = calls.call(
        "EntitlementService/Check",
        entitlement_pb2.CheckRequest(account_id="asking", meter="tokens", quantity=3),
    )
    assert (allowed.allowed, allowed.reason, allowed.available, allowed.units) == (
        True,
        usage_pb2.STATUS_OK,
        3_000_000,
        3,
    )
    refused = calls.call(
        "EntitlementService/Check",
        entitlement_pb2.CheckRequest(account_id="asking", meter="tokens", quantity=4),
    )
    assert (refused.allowed, refused.reason) == (False, usage_pb2.STATUS_INSUFFICIENT)
    assert available(calls, "asking") == "3"


def test_batch_check_answers_in_the_order_asked(calls: Calls) -> None:
    fresh_account(calls, "many", "5")
    answer = calls.call(
        "EntitlementService/BatchCheck",
        entitlement_pb2.BatchCheckRequest(
            checks=[
                entitlement_pb2.CheckRequest(account_id="many", meter="tokens", quantity=quantity)
                for quantity in (5, 6, 1)
            ]
            + [entitlement_pb2.CheckRequest(account_id="many", meter="unheard")]
        ),
    )
    assert [each.allowed for each in answer.results] == [True, False, True, False]
    assert answer.results[3].reason == usage_pb2.STATUS_METER_UNKNOWN


def test_a_window_smaller_than_the_stream_holds_reading_back(tmp_path: object) -> None:
    """A client that sends everything before it reads is slowed down, not refused."""
    from pathlib import Path

    from tests.server.calls import set_up
    from tests.server.processes import serving

    with serving(Path(str(tmp_path)) / "data", window_batches=2) as started:
        calls = Calls(started.address)
        set_up(calls, amount="100000")
        acks = list(calls.stream(batch(number, (f"e{number}", 1)) for number in range(3000)))
        assert [ack.batch_id for ack in acks] == list(range(3000))
        assert available(calls) == "97000"
        calls.close()


def test_a_call_is_answered_alike_in_both_forms_in_which_it_is_taken(calls: Calls) -> None:
    fresh_account(calls, "forms", "10000")
    sizes = (1, 2_000, 1, 1)
    for number, size in enumerate(sizes):
        # From the second on somebody has sent a large batch in a call: they are taken as streams are.
        sent = batch(number, *((f"e{number}-{event}", 1) for event in range(size)), account="forms")
        ack = calls.call("UsageService/RecordUsage", sent)
        assert (ack.batch_id, ack.applied, ack.durable) == (number, size, True)
        again = calls.call("UsageService/RecordUsage", sent)
        assert (again.applied, again.duplicates) == (0, size)
    assert available(calls, "forms") == str(10_000 - sum(sizes))


def test_an_ack_may_be_larger_than_the_largest_message_taken(tmp_path: Path) -> None:
    """A batch in columns that fits, every outcome wanted: the answer comes, and all of it was applied."""
    with serving(tmp_path / "data", message_bytes_max=64 << 10) as server:
        calls = Calls(server.address)
        set_up(calls, amount="10000")
        encoder = BatchEncoder("columns", "all")
        used_at = now_us()
        for number in range(9_000):
            encoder.add("acme", "tokens", 1, f"{number:x}", used_at, ())
        sent = encoder.take(1)
        answer = calls.raw("UsageService/RecordUsage", sent)
        assert len(sent) < 64 << 10 < len(answer)
        assert usage_pb2.UsageAck.FromString(answer).applied == 9_000
        assert available(calls) == "1000"
        calls.close()
