"""Trials: nothing is charged during them, and at their end the plan's rule decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from drawdown.client.interface import Database

from .conftest import START
from .plans import published

TRIAL_END = START + timedelta(days=14)
Name = Callable[[str], str]


@pytest.mark.behaviour("S0-21")
@pytest.mark.parametrize(("survives", "after"), [(False, 1000), (True, 1100)])
def test_a_trial_charges_nothing_and_converts_by_rule(
    db: Database, account: str, name: Name, survives: bool, after: int
) -> None:
    """14 days and 100 credits free; then the paid subscription, the trial's rest kept only if set so."""
    trial = {"days": 14, "credits": "100", "survives": survives}
    published(db, name("plan"), trial=trial)
    subscription = db.subscribe(account, name("plan"), subscription_id=name("sub"))
    assert subscription.state == "trialing"
    assert not db.invoices(account)
    assert db.balance(account, "credits").available == Decimal(100)

    db.advance_clock(account, TRIAL_END - timedelta(microseconds=1))
    assert not db.invoices(account)
    db.advance_clock(account, TRIAL_END)

    assert db.subscription(name("sub")).state == "active"
    (invoice,) = db.invoices(account)
    assert (invoice.state, invoice.period and invoice.period.start) == ("paid", TRIAL_END)
    assert db.balance(account, "credits").available == Decimal(after)


def test_a_trial_ends_the_subscription_where_the_plan_says_so(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), trial={"days": 14, "credits": "100", "end": "end"})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, TRIAL_END)
    assert db.subscription(name("sub")).state == "ended"
    assert not db.invoices(account)
    assert db.balance(account, "credits").available == 0


def test_a_trial_without_a_payment_method_does_not_become_paid(db: Database, name: Name) -> None:
    """It may begin; at its end there is nobody to ask, and it ends."""
    db.create_account(name("account"), test_clock=START)
    published(db, name("plan"), trial={"days": 14})
    assert db.subscribe(name("account"), name("plan"), subscription_id=name("sub")).state == "trialing"
    db.advance_clock(name("account"), TRIAL_END)
    assert db.subscription(name("sub")).state == "ended"


def test_a_trial_that_is_cancelled_ends_uncharged(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), trial={"days": 14, "credits": "100"})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    assert db.cancel_subscription(name("sub")).ends_at == TRIAL_END
    db.advance_clock(account, TRIAL_END)
    assert db.subscription(name("sub")).state == "ended"
    assert not db.invoices(account)


def test_a_change_during_the_trial_is_wanted_after_it(db: Database, account: str, name: Name) -> None:
    """To a plan without a trial: nothing is charged before the trial's end, then that plan is."""
    published(db, name("plan"), trial={"days": 14, "credits": "10", "end": "end"})
    published(db, name("other"), credits="200", fee="30")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.change_plan(name("sub"), name("other"), change_id="c")
    db.advance_clock(account, TRIAL_END - timedelta(microseconds=1))
    assert (db.subscription(name("sub")).state, db.invoices(account)) == ("trialing", ())
    db.advance_clock(account, TRIAL_END)
    assert db.subscription(name("sub")).state == "active"
    assert [str(each.due) for each in db.invoices(account)] == ["30.00 USD"]
    assert db.balance(account, "credits").available == Decimal(200)


@pytest.mark.parametrize("month", [3, 10])
def test_a_trial_lasts_days_of_the_customers_calendar(db: Database, name: Name, month: int) -> None:
    """31 days from the first of a month in which Berlin changes its clocks: to the first of the next one."""
    berlin = ZoneInfo("Europe/Berlin")
    begins, ends = (datetime(2026, each, 1, tzinfo=berlin) for each in (month, month + 1))
    db.put_customer(name("customer"), payment_method="test_ok", time_zone="Europe/Berlin")
    db.create_account(name("account"), customer_id=name("customer"), test_clock=begins)
    published(db, name("plan"), trial={"days": 31}, anchor="first_of_month")
    subscription = db.subscribe(name("account"), name("plan"), subscription_id=name("sub"))
    assert subscription.trial_ends_at == ends

    db.advance_clock(name("account"), ends + timedelta(hours=1))
    (invoice,) = db.invoices(name("account"))
    assert invoice.period is not None
    assert invoice.period.start == ends
    assert db.subscription(name("sub")).billing.edge(1) == datetime(2026, month + 2, 1, tzinfo=berlin)
