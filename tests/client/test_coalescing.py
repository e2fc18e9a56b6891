"""Concurrent awaits share calls: every caller gets its own answer, and one bad question spoils no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess, free_port
from drawdown.client.asyncio_coalescing import CheckCoalescer, check_to_bytes
from drawdown.v1 import entitlement_pb2

from .conftest import prepare


def prepared(server: ServerProcess, *accounts: str, amount: str = "100") -> None:
    with drawdown.connect(server.target) as connection:
        for account in accounts:
            connection.create_account(account)
            connection.create_grant(account, "credits", amount=amount, grant_id="first")


def test_concurrent_checks_get_their_own_answers_from_few_calls(server: ServerProcess) -> None:
    """A thousand checks of differing accounts and quantities in flight at once."""
    accounts = [f"co-{number}" for number in range(10)]
    for number, account in enumerate(accounts):
        prepared(server, account, amount=str(number + 1))

    async def ask() -> tuple[list[Any], int]:
        async with drawdown.aio.connect(server.target) as db:
            found = await asyncio.gather(
                *(db.check(accounts[n % 10], "calls", quantity=n // 10 % 12 + 1) for n in range(1000))
            )
            return found, db.coalesced.calls

    found, calls = asyncio.run(ask())
    for n, answer in enumerate(found):
        assert (answer.allowed, answer.available) == (n // 10 % 12 <= n % 10, Decimal(n % 10 + 1)), n
        assert answer.units == n % 10 + 1
    assert calls <= 20


def test_a_malformed_check_is_refused_alone(server: ServerProcess) -> None:
    """Wrong types are named to who asked; the others are answered."""
    prepared(server, "co-good")

    async def ask() -> list[Any]:
        async with drawdown.aio.connect(server.target) as db:
            waits: list[Awaitable[Any]] = [
                db.check("co-good", "calls"),
                db.check("co-good", "calls", quantity=1.5),  # type: ignore[arg-type]
                db.check(7, "calls"),  # type: ignore[arg-type]
                db.check("co-good", "calls", dimensions={"model": 5}),  # type: ignore[dict-item]
                db.check("co-good", "calls", quantity=1 << 63),
                db.check("co-good", "calls"),
            ]
            return await asyncio.gather(*waits, return_exceptions=True)

    first, *bad, last = asyncio.run(ask())
    assert first and last
    fields = ["quantity", "account", "dimensions", "quantity"]
    for refused, field in zip(bad, fields, strict=True):
        assert isinstance(refused, drawdown.InvalidRequestError)
        assert refused.field == field


def test_concurrent_records_get_their_own_outcomes(server: ServerProcess) -> None:
    """Applied, duplicate, conflicting and refused ones among them, and a direct debit with its scale."""
    prepared(server, "co-rec", "co-poor", amount="1000")
    with drawdown.connect(server.target) as connection:
        connection.create_grant("co-rec", "cents", amount="5.00", grant_id="coins")

    async def record() -> list[Any]:
        async with drawdown.aio.connect(server.target) as db:
            waits: list[Awaitable[Any]] = [
                db.record("co-rec", "calls", quantity=n, event_id=f"e-{n}") for n in range(1, 31)
            ]
            waits += [
                db.record("co-rec", "calls", quantity=1, event_id="e-1"),
                db.record("co-rec", "calls", quantity=9, event_id="e-1"),
                db.record("co-poor", "calls", quantity=5000),
                db.record("co-rec", credit_type="cents", credits="1.25"),
                db.record("nobody", "calls"),
                db.record("co-rec", "calls", event_id="x" * 129),
            ]
            return await asyncio.gather(*waits, return_exceptions=True)

    *found, duplicate, conflict, poor, direct, unknown, malformed = asyncio.run(record())
    assert [(each.status, each.charged, each.event_id) for each in found] == [
        ("OK", n, f"e-{n}") for n in range(1, 31)
    ]
    assert all(each.seq > 0 for each in found)
    assert (duplicate.status, conflict.status, unknown.status) == ("DUPLICATE", "CONFLICT", "ACCOUNT_UNKNOWN")
    assert (poor.status, poor.shortfall) == ("INSUFFICIENT", 4000)
    assert (direct.charged, direct.available) == (Decimal("1.25"), Decimal("3.75"))
    assert isinstance(malformed, drawdown.InvalidRequestError)
    assert malformed.field == "event_id"


def test_records_and_checks_under_way_survive_a_killed_server(tmp_path: Path) -> None:
    """kill -9 under concurrent awaits: every record is answered and burned exactly once."""
    events = 3000
    server = ServerProcess(tmp_path / "data", listen=f"127.0.0.1:{free_port()}")
    server.start()
    try:
        with drawdown.connect(server.target) as connection:
            prepare(connection)
        prepared(server, "a", amount="1000000")

        async def run() -> list[Any]:
            async with drawdown.aio.connect(server.target, timeout_s=60) as db:
                limit = asyncio.Semaphore(50)

                async def one(number: int) -> str:
                    async with limit:
                        if number == events // 2:
                            await asyncio.to_thread(restart)
                        assert await db.check("a", "calls")
                        result = await db.record("a", "calls", event_id=f"k-{number}", time=TIME)
                        return result.status

                return await asyncio.gather(*(one(number) for number in range(events)))

        def restart() -> None:
            server.kill()
            server.start()

        from drawdown.model import now_us

        TIME = now_us()
        statuses = asyncio.run(run())
        assert set(statuses) <= {"OK", "DUPLICATE"}
        assert len(statuses) == events
        with drawdown.connect(server.target) as connection:
            assert connection.balance("a", "credits").available == 1_000_000 - events
            assert connection.verify("a")
    finally:
        server.stop()


def test_a_shared_call_that_fails_fails_its_own_waiters_only() -> None:
    """Those who ask afterwards get a call of their own; a waiter that gave up is left out."""
    sent: list[int] = []

    async def batch_check(request: bytes) -> bytes:
        checks = entitlement_pb2.BatchCheckRequest.FromString(request).checks
        sent.append(len(checks))
        await asyncio.sleep(0.01)
        if len(sent) == 1:
            raise drawdown.PermissionDeniedError("no")
        answers = [entitlement_pb2.CheckResponse(allowed=True, units=each.quantity) for each in checks]
        return entitlement_pb2.BatchCheckResponse(results=answers).SerializeToString()

    async def run() -> None:
        shared = CheckCoalescer(batch_check)
        question = check_to_bytes("a", "calls", 1, None)
        refused = await asyncio.gather(*(shared.check(question) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, drawdown.PermissionDeniedError) for each in refused)
        gone = asyncio.ensure_future(shared.check(question))
        await asyncio.sleep(0)
        gone.cancel()
        quantities = await asyncio.gather(
            *(shared.check(check_to_bytes("a" * n, "calls", n, {"k": "v" * n})) for n in range(1, 120))
        )
        assert [each.units for each in quantities] == list(range(1, 120))
        assert sent[0] == 3

    asyncio.run(run())


def test_a_closed_connection_answers_who_still_waits() -> None:
    """Nobody waits for ever on a connection that is gone."""

    async def batch_check(_: bytes) -> bytes:
        await asyncio.sleep(60)
        return b""

    async def run() -> None:
        shared = CheckCoalescer(batch_check)
        waits = [asyncio.ensure_future(shared.check(b"")) for _ in range(3)]
        await asyncio.sleep(0.01)
        shared.close()
        for each in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(each, drawdown.UnavailableError)

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384])
def test_framed_checks_read_back(size: int) -> None:
    """Lengths at each edge of their encoding."""
    from drawdown.client.asyncio_coalescing import _framed

    message = entitlement_pb2.CheckRequest(account_id="a" * size).SerializeToString()
    read = entitlement_pb2.BatchCheckRequest.FromString(_framed([message, message]))
    assert [len(each.account_id) for each in read.checks] == [size, size]
