"""Thresholds in percent through the public doors: as given, and the notices that come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown import aio
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError

from .conftest import SMALL, START, prepare
from .plans import published
from .waiting import wait_until

Name = Callable[[str], str]

Told = tuple[str, str, str | None, str]
"""Kind, the threshold in credits, as given where it is a percentage, and what was available."""


def told(db: Database, account: str, count: int) -> list[Told]:
    """The first ``count`` notices of thresholds, once there are so many."""
    kinds = ["balance.low", "balance.low_cleared"]
    wait_until(lambda: len(db.notices(account, kinds=kinds).notices) >= count)
    return [
        (each.kind, each.data["threshold"], each.data.get("threshold_percent"), each.data["available"])
        for each in db.notices(account, kinds=kinds).notices
    ]


def spend(db: Database, account: str, credits: str) -> None:
    assert db.record(account, credit_type="credits", credits=credits).status == "OK"


def test_a_fifth_of_what_was_granted_follows_the_grants(db: Database, name: Name) -> None:
    """1,000: low at 200. 500 more: low at 300. The first is over: low at 100."""
    account = name("acme")
    db.create_account(account, test_clock=START)
    over = START + timedelta(days=2)
    db.create_grant(account, "credits", amount="1000", grant_id="first", expires_at=over)
    db.set_thresholds(account, "credits", ["20%", "50", Decimal("12.5")])
    assert db.balance(account, "credits").thresholds == (Decimal(50), Decimal("12.5"), "20%")
    spend(db, account, "799")
    spend(db, account, "1")
    expected: list[Told] = [("balance.low", "200", "20%", "200")]
    assert told(db, account, 1) == expected

    db.create_grant(account, "credits", amount="500", grant_id="second")
    expected += [("balance.low_cleared", "300", "20%", "700")]
    assert told(db, account, 2) == expected
    spend(db, account, "399")
    spend(db, account, "1")
    expected += [("balance.low", "300", "20%", "300")]
    assert told(db, account, 3) == expected

    db.advance_clock(account, over)
    expected += [("balance.low_cleared", "100", "20%", "300")]
    assert told(db, account, 4) == expected
    spend(db, account, "200")
    spend(db, account, "50")
    expected += [("balance.low", "100", "20%", "100"), ("balance.low", "50", None, "50")]
    assert told(db, account, 6) == expected


@pytest.mark.parametrize("given", ["0%", "101%", "abc%", "12.345%", "%", "9" * 80 + "%"])
def test_what_is_no_percentage_is_refused(db: Database, name: Name, given: str) -> None:
    db.create_account(name("acme"))
    with pytest.raises(InvalidRequestError) as refused:
        db.set_thresholds(name("acme"), "credits", ["5", given])
    assert "thresholds" in (refused.value.field or "")


def test_an_automatic_recharge_leaves_percentages_alone(db: Database, name: Name) -> None:
    """It watches at a threshold of its own beside them, and takes away no other when it goes."""
    account = name("acme")
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(account, customer_id=name("customer"))
    plan = published(
        db,
        name("plan"),
        type="free",
        base_fee=[],
        credits="100",
        top_up={"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]},
    )
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.set_thresholds(account, "credits", ["20%", "7"])
    db.set_recharge(account, "credits", threshold="5", to="20")
    wait_until(
        lambda: db.balance(account, "credits").thresholds == (Decimal(7), Decimal(5), "20%"),
    )
    db.set_recharge(account, "credits", threshold="5", to="20", enabled=False)
    wait_until(lambda: db.balance(account, "credits").thresholds == (Decimal(7), "20%"))


def test_a_restart_keeps_them(tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        db.create_account("acme")
        db.create_grant("acme", "credits", amount="1000", grant_id="g")
        db.set_thresholds("acme", "credits", ["20%", "500"])
        spend(db, "acme", "600")
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        assert db.balance("acme", "credits").thresholds == (Decimal(500), "20%")
        spend(db, "acme", "200")
        assert told(db, "acme", 2) == [
            ("balance.low", "500", None, "400"),
            ("balance.low", "200", "20%", "200"),
        ]
        (changed,) = [each for each in db.ledger("acme") if each.kind == "thresholds_set"]
        assert changed.facts["thresholds"] == [Decimal(500), "20%"]
        newest = next(each for each in db.ledger("acme") if each.kind == "crossed")
        assert (newest.facts["threshold"], newest.facts["threshold_percent"]) == (Decimal(200), "20%")


def test_they_are_set_and_read_with_await(server: ServerProcess, name: Name) -> None:
    async def through_the_awaited_door() -> tuple[Decimal | str, ...]:
        async with aio.connect(server.target) as db:
            await db.create_account(name("acme"))
            await db.set_thresholds(name("acme"), "credits", ["33.33%", "5"])
            return (await db.balance(name("acme"), "credits")).thresholds

    assert asyncio.run(through_the_awaited_door()) == (Decimal(5), "33.33%")
