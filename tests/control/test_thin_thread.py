"""From a plan to the first renewal, through every door: once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money

from .conftest import START
from .plans import published

FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)


@pytest.mark.behaviour("S0-1", "S0-2", "S0-30")
def test_subscribing_gives_one_invoice_and_one_grant_and_each_month_another(
    db: Database, account: str, name: Callable[[str], str]
) -> None:
    """Subscribed twice by retry: one subscription, one invoice, one grant; the month's end renews both."""
    plan = published(db, name("plan"))
    for _ in range(2):
        subscription = db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
        assert subscription.state == "active"
    assert db.balance(account, "credits").available == Decimal(1000)
    (first,) = db.grants(account, "credits")
    assert (first.effective_at, first.expires_at, first.state) == (START, FEBRUARY_END, "active")
    (invoice,) = db.invoices(account)
    assert (invoice.state, invoice.due) == ("paid", Money(2000, "USD"))
    assert db.record(account, "calls", quantity=30, event_id="e1", time=START).charged == Decimal(60)

    db.advance_clock(account, FEBRUARY_END)

    second = next(each for each in db.grants(account, "credits") if each.grant_id != first.grant_id)
    assert (second.effective_at, second.expires_at) == (FEBRUARY_END, MARCH_END)
    assert db.balance(account, "credits").available == Decimal(1000)
    assert [each.state for each in db.invoices(account)] == ["paid", "paid"]
    assert db.verify(account)


def test_nothing_happens_twice_after_a_restart(
    tmp_path: object, db_url: str, name: Callable[[str], str]
) -> None:
    """Closing and opening the folder finds the jobs where they were."""
    import drawdown

    from .conftest import SMALL, prepare

    path = f"{tmp_path}/data"
    with drawdown.open(path, db=db_url, **SMALL) as db:
        prepare(db)
        published(db, "pro")
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        db.subscribe("acme", "pro", subscription_id="s")
    with drawdown.open(path, db=db_url, **SMALL) as db:
        db.subscribe("acme", "pro", subscription_id="s")
        db.advance_clock("acme", MARCH_END)
        assert len(db.grants("acme")) == 3
        assert [each.number for each in db.invoices("acme")] == [f"T-{n:08d}" for n in (1, 2, 3)]
