"""A meter that comes to be priced in another credit type: amounts have its scale from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client import scales
from drawdown.client.interface import Database

from .forwarder import forwarding

NewAccount = Callable[..., str]
COIN = Decimal("0.25")
SHED = drawdown.OverloadedError("shed before anything was read")


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on whatever was read before is old."""
    return lambda: monkeypatch.setattr(scales, "KEPT_S", 0.0)


@pytest.fixture
def root(server: ServerProcess) -> Iterator[Database]:
    with drawdown.connect(server.target) as connection:
        yield connection


def with_meter(root: Database, new_account: NewAccount, meter: str) -> str:
    """An account with both kinds of credits, and a meter priced in the one with nine decimals."""
    root.create_meter(meter)
    root.set_rate(meter=meter, credits="1")
    account = new_account(root, "10")
    root.create_grant(account, "cents", amount="5.00", grant_id="coins")
    return account


def price_in_cents(root: Database, account: str, meter: str) -> None:
    """As a plan does whose subscribers pay otherwise: another rate table, and the account on it."""
    root.set_rate(table=meter, meter=meter, credits=str(COIN), credit_type="cents")
    root.assign_rate_table(account, meter)


def test_a_price_that_others_made_is_read_after_a_while(
    server: ServerProcess, root: Database, new_account: NewAccount, aged: Callable[[], None]
) -> None:
    account = with_meter(root, new_account, "aging")
    with drawdown.connect(server.target) as db, db.watch_entitlements([(account, "aging")]) as watch:
        assert db.record(account, "aging").available == 9
        price_in_cents(root, account, "aging")
        aged()
        result = db.record(account, "aging")
        assert (result.charged, result.available) == (COIN, Decimal("4.75"))
        assert db.check(account, "aging").available == Decimal("4.75")
        assert next(each for each in watch if each.check.available == Decimal("4.75")).check.allowed


def test_an_awaited_connection_reads_it_too(
    server: ServerProcess, root: Database, new_account: NewAccount, aged: Callable[[], None]
) -> None:
    """Also after it has learned the account's first rate table."""
    account = with_meter(root, new_account, "awaited")
    root.set_rate(table="elsewhere", meter="awaited", credits="0.01", credit_type="cents")

    async def story() -> None:
        async with drawdown.aio.connect(server.target) as db:
            watch = db.watch_entitlements([(account, "awaited")])
            assert (await anext(watch)).check.available == 10
            assert (await db.record(account, "awaited")).available == 9
            price_in_cents(root, account, "awaited")
            aged()
            result = await db.record(account, "awaited")
            assert (result.charged, result.available) == (COIN, Decimal("4.75"))
            (batch,) = await db.record_batch([{"account": account, "meter": "awaited"}])
            assert batch.available == Decimal("4.50")
            assert (await db.check(account, "awaited")).available == Decimal("4.50")
            async for change in watch:
                if change.check.available == Decimal("4.50"):
                    break

    asyncio.run(story())


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_a_price_made_over_this_connection_is_known_at_once(
    server: ServerProcess, root: Database, new_account: NewAccount, form: str
) -> None:
    account = with_meter(root, new_account, form)

    async def story() -> Decimal:
        async with drawdown.aio.connect(server.target) as db:
            await db.record(account, form)
            await db.set_rate(table=form, meter=form, credits=str(COIN), credit_type="cents")
            await db.assign_rate_table(account, form)
            return (await db.record(account, form)).charged

    if form == "awaited":
        assert asyncio.run(story()) == COIN
    else:
        root.record(account, form)
        price_in_cents(root, account, form)
        assert root.record(account, form).charged == COIN


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_usage_goes_on_where_only_the_second_look_is_shed(
    server: ServerProcess, root: Database, new_account: NewAccount, aged: Callable[[], None], form: str
) -> None:
    account = new_account(root, "10")

    async def story(target: str) -> drawdown.UsageResult:
        async with drawdown.aio.connect(target, timeout_s=1) as db:
            await db.record(account, "calls")
            shed_reads()
            return await db.record(account, "calls")

    with forwarding(server.target) as proxy:

        def shed_reads() -> None:
            proxy.instead = lambda method, _: SHED if method == "Query" else None
            aged()

        if form == "awaited":
            result = asyncio.run(story(proxy.address))
        else:
            with drawdown.connect(proxy.address, timeout_s=1) as db:
                db.record(account, "calls")
                shed_reads()
                result = db.record(account, "calls")
    assert (result.status, result.available) == ("OK", 8)
