"""Watches in every form: the present state first, then each change, pushed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess, free_port
from drawdown.client.interface import Database
from drawdown.client.sync import Connection
from drawdown.client.watch import Watch
from drawdown.model import Balance

from .conftest import prepare

NewAccount = Callable[..., str]


def server_stats(connection: Connection) -> dict[str, int]:
    """The server's own figures."""
    return connection.server_stats()[1]


def until(watch: Watch[Balance], amount: object) -> list[Decimal]:
    """What is told up to this available, in order."""
    told = []
    for balance in watch:
        told.append(balance.available)
        if balance.available == amount:
            return told
    raise AssertionError(f"the watch ended with {told}")


def test_a_watch_tells_the_balance_and_then_each_change(database: Database, new_account: NewAccount) -> None:
    """From usage, grants, holds and corrections of policy alike; others' changes are not told."""
    account, other = new_account(database, "10"), new_account(database, "10")
    with database.watch_balances([account], "credits") as watch:
        assert next(watch).available == 10
        database.record(other, "calls")
        database.record(account, "calls", quantity=3)
        changed = next(watch)
        assert (changed.account, changed.credit_type, changed.available) == (account, "credits", 7)
        assert changed.seq <= database.balance(account, "credits").seq
        database.create_grant(account, "credits", amount="5", grant_id="more")
        assert next(watch).available == 12
        with database.reserve(account, "calls", quantity=2):
            held = next(watch)
            assert (held.available, held.held) == (10, 2)
        assert next(watch).available == 12
        database.set_policy(account, "credits", "overdraft", limit="4")
        policy = next(watch)
        assert (policy.policy, policy.policy_limit, policy.available) == ("overdraft", 4, 12)


def test_quick_changes_are_conflated_and_the_last_is_told(
    database: Database, new_account: NewAccount
) -> None:
    """A thousand debits make fewer messages; what is told falls, and ends where the balance is."""
    account = new_account(database, "2000")
    with database.watch_balances([account], "credits") as watch:
        assert next(watch).available == 2000
        database.record_batch([{"account": account, "meter": "calls"} for _ in range(1000)])
        told = until(watch, 1000)
    assert told == sorted(told, reverse=True)


def test_an_account_is_told_of_once_it_exists(database: Database) -> None:
    """Its first pool too."""
    account = f"later-{time.monotonic_ns()}"
    with database.watch_balances([account]) as watch:
        database.create_account(account)
        database.create_grant(account, "cents", amount="5.00", grant_id="g")
        assert (first := next(watch)).credit_type == "cents"
        assert first.available == 5


def test_time_alone_is_told(database: Database, new_account: NewAccount) -> None:
    """A grant that starts and ends while nobody does anything."""
    account = new_account(database, "1")
    now = datetime.now(UTC)
    database.create_grant(
        account, "credits", amount="5", grant_id="short",
        effective_at=now + timedelta(milliseconds=700), expires_at=now + timedelta(milliseconds=1400),
    )  # fmt: skip
    with database.watch_balances([account], "credits") as watch:
        assert next(watch).available == 1
        assert next(watch).available == 6
        assert datetime.now(UTC) >= now + timedelta(milliseconds=700)
        assert next(watch).available == 1
        assert timedelta(milliseconds=1400) <= datetime.now(UTC) - now < timedelta(seconds=5)


def test_entitlements_are_told_when_an_answer_changes(database: Database, new_account: NewAccount) -> None:
    """By usage, suspension and a new price; answers that stay are not told again."""
    account = new_account(database, "5")
    database.create_meter("rare")
    questions = [(account, "calls", 3), (account, "calls", 100), (account, "rare", 1)]
    with database.watch_entitlements(questions) as watch:
        first = [next(watch) for _ in range(3)]
        assert [(each.index, each.check.allowed, each.check.reason) for each in first] == [
            (0, True, "OK"), (1, False, "INSUFFICIENT"), (2, False, "NOT_ENTITLED"),
        ]  # fmt: skip
        assert first[0].check.available == 5
        database.record(account, "calls", quantity=3)
        assert {next(watch).index, next(watch).index} == {0, 1}
        assert not database.check(account, "calls", quantity=3)
        database.set_rate(meter="rare", credits="0.5")
        rare = next(watch)
        assert (rare.index, rare.check.allowed, rare.check.units) == (2, True, 4)
        database.suspend_account(account)
        reasons = {each.index: each.check.reason for each in (next(watch) for _ in range(3))}
        assert reasons == dict.fromkeys(range(3), "ACCOUNT_SUSPENDED")


def test_a_watch_can_be_closed_while_somebody_reads(database: Database, new_account: NewAccount) -> None:
    """The reader's loop ends; closing twice changes nothing."""
    account = new_account(database, "5")
    watch = database.watch_balances([account])
    told: list[Decimal] = []
    reader = threading.Thread(target=lambda: told.extend(each.available for each in watch))
    reader.start()
    database.record(account, "calls")
    time.sleep(0.2)
    watch.close()
    watch.close()
    reader.join(20)
    assert not reader.is_alive()
    assert told[-1] == 4


@pytest.mark.parametrize("accounts", [[], ["x" * 129], [f"a-{n}" for n in range(1001)]])
def test_a_watch_of_too_few_or_too_many_is_refused(database: Database, accounts: list[str]) -> None:
    with pytest.raises(drawdown.InvalidRequestError):
        next(database.watch_balances(accounts))


def test_many_watchers_are_all_told(server: ServerProcess, new_account: NewAccount) -> None:
    """Two hundred streams on one account, ten on each of twenty others."""
    with drawdown.connect(server.target) as plain:
        hot = new_account(plain, "100")
        others = [new_account(plain, "100") for _ in range(20)]

        async def one(db: drawdown.aio.AioConnection, account: str, goal: int) -> int:
            told = 0
            async for balance in db.watch_balances([account], "credits"):
                told += 1
                if balance.available == goal:
                    return told
            raise AssertionError("ended")

        async def run() -> None:
            async with (
                drawdown.aio.connect(server.target) as db,
                drawdown.aio.connect(server.target) as first,
                drawdown.aio.connect(server.target) as second,
            ):
                tasks = [asyncio.create_task(one(first, hot, 90)) for _ in range(200)]
                tasks += [asyncio.create_task(one(second, each, 99)) for each in others for _ in range(10)]
                await asyncio.sleep(0.3)
                for _ in range(10):
                    await db.record(hot, "calls")
                await asyncio.gather(*(db.record(each, "calls") for each in others))
                async with asyncio.timeout(30):
                    counts = await asyncio.gather(*tasks)
                assert all(1 <= count <= 11 for count in counts)
            deadline = time.monotonic() + 20
            while server_stats(plain)["watches_open"] and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            assert server_stats(plain)["watches_open"] == 0

        asyncio.run(run())


def test_a_watch_goes_on_after_the_server_came_back(tmp_path: Path) -> None:
    """kill -9 and restart: the reader sees the next state, and none twice."""
    process = ServerProcess(tmp_path / "data", listen=f"127.0.0.1:{free_port()}")
    process.start()
    try:
        with drawdown.connect(process.target) as connection:
            prepare(connection)
            connection.create_account("a")
            connection.create_grant("a", "credits", amount="10", grant_id="g")
            with connection.watch_balances(["a"]) as watch:
                assert next(watch).available == 10
                connection.record("a", "calls")
                assert next(watch).available == 9
                process.kill()
                process.start()
                connection.record("a", "calls")
                assert next(watch).available == 8
                process.stop()
                process.start()
                connection.record("a", "calls")
                assert next(watch).available == 7
    finally:
        process.stop()


def test_changes_arrive_within_milliseconds(server: ServerProcess, new_account: NewAccount) -> None:
    """From the acknowledged debit to the pushed balance; generous, for a busy machine."""
    with drawdown.connect(server.target) as plain:
        account = new_account(plain, "1000")
        with plain.watch_balances([account], "credits") as watch:
            next(watch)
            took = []
            for _ in range(50):
                plain.record(account, "calls")
                began = time.perf_counter()
                next(watch)
                took.append(time.perf_counter() - began)
            took.sort()
            assert took[25] < 0.05, took
