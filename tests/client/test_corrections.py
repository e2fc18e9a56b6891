"""Corrections through every form of the client and the typed call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import drawdown
import drawdown.aio
import grpc
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.client.rpc_errors import error_of
from drawdown.v1 import usage_pb2, usage_pb2_grpc

NewAccount = Callable[..., str]


def available(database: Database, account: str) -> Decimal:
    return database.balance(account, "credits").available


def test_only_the_difference_moves(database: Database, new_account: NewAccount) -> None:
    """Less comes back, more is charged, a cancel returns the rest and is final."""
    account = new_account(database, "100")
    database.record(account, "calls", quantity=10, event_id="e")
    less = database.correct(account, "e", quantity=4, correction_id="c-1")
    assert (less.status, less.charged, less.difference, less.returned) == ("OK", 4, -6, 6)
    assert less.available == available(database, account) == 96
    assert database.correct(account, "e", quantity=4, correction_id="c-1").status == "DUPLICATE"
    assert database.correct(account, "e", quantity=5, correction_id="c-1").status == "CONFLICT"
    more = database.correct(account, "e", quantity=7)
    assert (more.charged, more.difference) == (7, 3)
    gone = database.correct(account, "e", cancel=True)
    assert (gone.charged, gone.difference, available(database, account)) == (0, -7, 100)
    assert not database.correct(account, "e", quantity=1, correction_id="late")
    assert len(database.usage_event(account, "e").corrections) == 3
    assert database.verify(account)


def test_a_direct_debit_is_corrected_by_credits(database: Database, new_account: NewAccount) -> None:
    account = new_account(database, "10")
    database.record(account, credit_type="credits", credits="2.5", event_id="d")
    assert database.correct(account, "d", credits="1.25").difference == Decimal("-1.25")
    assert available(database, account) == Decimal("8.75")


def test_refusals_are_results_and_bad_input_is_named(database: Database, new_account: NewAccount) -> None:
    """Unknown account and event are statuses; saying too little raises, and changes nothing."""
    account = new_account(database, "5")
    assert database.correct(account, "never", cancel=True).status == "EVENT_UNKNOWN"
    assert database.correct("nobody", "e", cancel=True).status == "ACCOUNT_UNKNOWN"
    database.record(account, "calls", event_id="e")
    for fields in ({}, {"quantity": 1, "cancel": True}, {"quantity": -1}):
        with pytest.raises(drawdown.InvalidRequestError) as refused:
            database.correct(account, "e", **fields)  # type: ignore[arg-type]
        assert refused.value.field == "quantity"
    assert database.correct(account, "e", quantity=6).status == "INSUFFICIENT"
    assert available(database, account) == 4


def test_the_awaited_form_and_the_typed_call(server: ServerProcess, new_account: NewAccount) -> None:
    with drawdown.connect(server.target) as plain, grpc.insecure_channel(server.target) as channel:
        account = new_account(plain, "100")
        plain.record(account, "calls", quantity=10, event_id="e")

        async def run() -> None:
            async with drawdown.aio.connect(server.target) as db:
                assert (await db.correct(account, "e", quantity=4)).difference == -6

        asyncio.run(run())
        stub = usage_pb2_grpc.UsageServiceStub(channel)
        answer = stub.CorrectUsage(
            usage_pb2.CorrectUsageRequest(account_id=account, event_id="e", quantity=0, correction_id="c")
        )
        assert (answer.status, answer.charged, answer.difference) == (usage_pb2.STATUS_OK, "0", "-4")
        with pytest.raises(grpc.RpcError) as refused:
            stub.CorrectUsage(usage_pb2.CorrectUsageRequest(account_id=account, event_id="e"))
        assert error_of(refused.value).field == "quantity"
        event = stub.GetUsageEvent(usage_pb2.GetUsageEventRequest(account_id=account, event_id="e"))
        assert [each.kind for each in event.corrections] == ["corrected", "corrected"]
