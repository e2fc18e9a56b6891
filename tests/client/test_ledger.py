"""The ledger read back through every form: entries, one event, its explanation, balances of the past."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import drawdown
import drawdown.aio
import grpc
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.client.rpc_errors import error_of
from drawdown.v1 import account_pb2, account_pb2_grpc, usage_pb2, usage_pb2_grpc

NewAccount = Callable[..., str]


def lived(database: Database, new_account: NewAccount) -> str:
    """An account with two grants, three uses and a hold behind it."""
    account = new_account(database, "10")
    database.create_grant(account, "credits", amount="5", grant_id="second", priority=60)
    database.record(account, "calls", quantity=4, event_id="e-1")
    database.record(account, "calls", quantity=8, event_id="e-2")
    with database.reserve(account, "calls", quantity=2, reservation_id="r-1") as hold:
        hold.settle(1)
    return account


def test_the_ledger_lists_what_happened(database: Database, new_account: NewAccount) -> None:
    """Newest first, or oldest first, by kind, from a position on."""
    account = lived(database, new_account)
    entries = list(database.ledger(account, oldest_first=True))
    assert [each.kind for each in entries] == [
        "account_created", "granted", "granted", "usage", "usage", "exhausted", "reserved", "settled",
    ]  # fmt: skip
    assert [each.seq for each in database.ledger(account)] == [each.seq for each in reversed(entries)]
    uses = list(database.ledger(account, kinds=["usage"], oldest_first=True))
    assert [(each.event_id, each.charged) for each in uses] == [("e-1", 4), ("e-2", 8)]
    assert uses[1].draws == (("first", Decimal(6)), ("second", Decimal(2)))
    behind = database.ledger(account, after_seq=entries[4].seq, oldest_first=True)
    assert [each.kind for each in behind] == ["exhausted", "reserved", "settled"]
    with pytest.raises(drawdown.AccountNotFoundError):
        list(database.ledger("nobody"))


def test_an_event_is_explained(database: Database, new_account: NewAccount) -> None:
    """Its rate, the grants it drew, the balance before and after."""
    account = lived(database, new_account)
    found = database.explain(account, event_id="e-2")
    assert found.rate is not None
    assert (found.rate.meter, found.rate.credit_type, found.rate.sent["credits"]) == ("calls", "credits", "1")
    assert [(draw.grant_id, draw.amount) for draw in found.draws] == [("first", 6), ("second", 2)]
    assert (found.balance_before.available, found.balance_after.available) == (11, 3)
    record = database.usage_event(account, "e-1")
    assert (record.event.charged, record.corrections) == (4, ())
    for read in (database.explain, database.usage_event):
        with pytest.raises(drawdown.NotFoundError) as missing:
            read(account, "never")
        assert missing.value.reason == "EVENT_UNKNOWN"


def test_a_balance_is_read_as_of_an_instant(database: Database, new_account: NewAccount) -> None:
    """What it was then, dated transitions among it."""
    start = datetime(2031, 1, 1, tzinfo=UTC)
    account = new_account(database, test_clock=start)
    database.create_grant(account, "credits", amount="5", grant_id="g", expires_at=start + timedelta(days=30))
    database.advance_clock(account, start + timedelta(days=10))
    assert database.record(account, "calls", quantity=2, event_id="e").status == "OK"
    database.advance_clock(account, start + timedelta(days=31))
    ages = [0, 5, 10, 29, 30]
    found = [database.balance(account, "credits", at=start + timedelta(days=days)).available for days in ages]
    assert found == [5, 5, 3, 3, 0]
    assert database.balance(account, "credits").available == 0


def test_the_awaited_form_reads_the_same(server: ServerProcess, new_account: NewAccount) -> None:
    """Entries, explanation, event and past balance equal those of the plain form."""
    with drawdown.connect(server.target) as plain:
        account = lived(plain, new_account)

        async def run() -> None:
            async with drawdown.aio.connect(server.target) as db:
                assert [each async for each in db.ledger(account)] == list(plain.ledger(account))
                ascending = [each async for each in db.ledger(account, oldest_first=True)]
                assert ascending == list(plain.ledger(account, oldest_first=True))
                explained = await db.explain(account, "e-2")
                assert explained.draws == plain.explain(account, "e-2").draws
                assert (await db.usage_event(account, "e-1")).event.charged == 4
                then = ascending[3].received_at
                assert (await db.balance(account, "credits", at=then)).available == 11

        asyncio.run(run())


def test_typed_calls_carry_the_same_facts(server: ServerProcess, new_account: NewAccount) -> None:
    """For clients in other languages: pages, an explanation, an event, a past balance."""
    with drawdown.connect(server.target) as plain, grpc.insecure_channel(server.target) as channel:
        account = lived(plain, new_account)
        stub = account_pb2_grpc.AccountServiceStub(channel)
        for oldest_first in (False, True):
            read: list[usage_pb2.LedgerEntry] = []
            token = ""
            while True:
                page = stub.ListLedgerEntries(
                    account_pb2.ListLedgerEntriesRequest(
                        account_id=account, page_size=3, page_token=token, oldest_first=oldest_first
                    )
                )
                assert len(page.entries) <= 3
                read += page.entries
                token = page.next_page_token
                if not token:
                    break
            expected = list(plain.ledger(account, oldest_first=oldest_first))
            assert [(each.seq, each.kind, each.charged) for each in read] == [
                (each.seq, each.kind, "" if each.charged is None else str(each.charged)) for each in expected
            ]
        explained = stub.ExplainBalance(account_pb2.ExplainBalanceRequest(account_id=account, event_id="e-2"))
        assert [(each.grant_id, each.amount) for each in explained.draws] == [("first", "6"), ("second", "2")]
        assert (explained.balance_before.available, explained.balance_after.available) == ("11", "3")
        assert json.loads(explained.rate.sent_json)["credits"] == "1"
        then = account_pb2.GetBalanceRequest(account_id=account, credit_type="credits")
        then.at.FromDatetime(plain.usage_event(account, "e-2").event.received_at - timedelta(microseconds=1))
        assert stub.GetBalance(then).balance.available == "11"
        events = usage_pb2_grpc.UsageServiceStub(channel)
        event = events.GetUsageEvent(usage_pb2.GetUsageEventRequest(account_id=account, event_id="e-1"))
        assert (event.event.charged, event.event.quantity) == ("4", 4)
        with pytest.raises(grpc.RpcError) as missing:
            events.GetUsageEvent(usage_pb2.GetUsageEventRequest(account_id=account, event_id="never"))
        assert error_of(missing.value).reason == "EVENT_UNKNOWN"
        with pytest.raises(grpc.RpcError) as wrong:
            stub.ListLedgerEntries(account_pb2.ListLedgerEntriesRequest(account_id=account, page_token="x"))
        assert error_of(wrong.value).field == "page_token"
