"""Which subscription's prices and policy hold: the newest that is paid for, and none that has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money

from .conftest import START
from .plans import published

Name = Callable[[str], str]
FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)


def priced(db: Database, plan_id: str, per_call: str, **settings: Any) -> str:
    """1,000 credits a month; a call costs ``per_call``."""
    return published(db, plan_id, rates=[{"meter": "calls", "credits": per_call}], **settings).plan_id


def with_overage(db: Database, plan_id: str, **settings: Any) -> str:
    """100 credits a month, and usage past zero at 1 USD each."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    return published(db, plan_id, credits="100", overage={"prices": prices}, **settings).plan_id


def charged(db: Database, account: str, event_id: str) -> Decimal:
    return db.record(account, "calls", quantity=1, event_id=event_id).charged


def test_the_newest_active_subscription_prices_a_meter(db: Database, account: str, name: Name) -> None:
    """3, then a newer at 5; changing the older one to 7 changes nothing until the newer one ends."""
    for stem, per_call in (("older", "3"), ("newer", "5"), ("other", "7")):
        priced(db, name(stem), per_call)
    db.subscribe(account, name("older"), subscription_id=name("first"))
    assert charged(db, account, "a") == Decimal(3)
    db.subscribe(account, name("newer"), subscription_id=name("at-the-same-instant"))
    assert charged(db, account, "b") == Decimal(5)
    db.change_plan(name("first"), name("other"), change_id="c")
    assert charged(db, account, "c") == Decimal(5)
    db.cancel_subscription(name("at-the-same-instant"), when="now")
    assert charged(db, account, "d") == Decimal(7)


@pytest.mark.behaviour("S0-29")
def test_a_subscription_that_is_not_paid_for_entitles_to_nothing(
    db: Database, account: str, name: Name
) -> None:
    """Declined: neither its prices nor its overage hold; once it is paid they do."""
    plan = with_overage(db, name("plan"), features={"sso": "true"})
    pending = db.subscribe(account, plan, subscription_id=name("sub"), payment_method="test_decline")
    assert pending.state == "pending"
    assert not db.record(account, "calls", quantity=60, event_id="before")
    assert not db.feature(account, "sso").allowed
    (invoice,) = db.invoices(account)
    db.mark_invoice_paid(invoice.invoice_id)
    assert db.subscription(name("sub")).state == "active"
    assert db.feature(account, "sso").allowed
    used = db.record(account, "calls", quantity=60, event_id="after")
    assert (used.status, used.charged) == ("OK", Decimal(120))
    assert db.balance(account, "credits").overage == Decimal(20)


@pytest.mark.parametrize("how", ["cancelled", "expired"])
def test_what_was_never_paid_for_owes_nothing_when_it_ends(
    db: Database, account: str, name: Name, how: str
) -> None:
    """Declined, then cancelled or left until its period is over: its invoice is void."""
    plan = priced(db, name("plan"), "2")
    db.subscribe(account, plan, subscription_id=name("sub"), payment_method="test_decline")
    if how == "cancelled":
        db.cancel_subscription(name("sub"))
    db.advance_clock(account, FEBRUARY_END)
    assert db.subscription(name("sub")).state == "ended"
    assert [each.state for each in db.invoices(account)] == ["void"]
    assert db.balance(account, "credits").available == 0


def test_a_second_subscription_counts_when_it_is_paid(db: Database, account: str, name: Name) -> None:
    cheap, dear = priced(db, name("cheap"), "2"), priced(db, name("dear"), "9")
    db.subscribe(account, cheap, subscription_id=name("paid"))
    db.subscribe(account, dear, subscription_id=name("unpaid"), payment_method="test_decline")
    assert charged(db, account, "a") == Decimal(2)
    db.mark_invoice_paid(db.invoices(account)[-1].invoice_id)
    assert charged(db, account, "b") == Decimal(9)


@pytest.mark.behaviour("S3-1")
@pytest.mark.parametrize("when", ["now", "period_end"])
def test_what_ended_serves_nothing_past_zero(db: Database, account: str, name: Name, when: str) -> None:
    """Nobody would be billed for it. What was bought is still spent, at the prices there were."""
    db.subscribe(account, with_overage(db, name("plan")), subscription_id=name("sub"))
    db.record(account, "calls", quantity=51, event_id="two-past", time=START)
    db.cancel_subscription(name("sub"), when=when)
    db.advance_clock(account, MARCH_END)
    assert [line.amount for line in db.invoices(account)[-1].lines] == [Money(200, "USD")]
    assert db.record(account, "calls", event_id="after").status == "INSUFFICIENT"
    assert not db.check(account, "calls")
    db.create_grant(account, "credits", "10", grant_id="bought", source="purchase")
    assert charged(db, account, "again") == Decimal(2)


@pytest.mark.behaviour("S0-21")
def test_a_trial_has_no_overage(db: Database, account: str, name: Name) -> None:
    """Nothing is charged for it, so nothing past its credits is served; converted, it is."""
    plan = with_overage(db, name("plan"), trial={"days": 14, "credits": "10"})
    db.subscribe(account, plan, subscription_id=name("sub"))
    assert db.record(account, "calls", quantity=6, event_id="past").status == "INSUFFICIENT"
    assert db.record(account, "calls", quantity=5, event_id="within").status == "OK"
    db.advance_clock(account, START + timedelta(days=14))
    assert db.record(account, "calls", quantity=51, event_id="converted").status == "OK"
    assert db.balance(account, "credits").overage == Decimal(2)


def test_a_plan_without_the_credit_type_leaves_its_policy(db: Database, account: str, name: Name) -> None:
    """From overage in credits to a plan in minutes: the pool of credits is hard again."""
    minutes = {"credit_type": "minutes", "amount": "60", "cadence": "monthly"}
    priced(db, name("minutes"), "1", credits=minutes)
    db.subscribe(account, with_overage(db, name("plan")), subscription_id=name("sub"))
    assert db.balance(account, "credits").policy == "overage"
    db.change_plan(name("sub"), name("minutes"), change_id="c")
    assert db.balance(account, "credits").policy == "hard"


@pytest.mark.behaviour("S0-11", "S2-7", "S2-9")
def test_a_one_off_plan_is_sold_once(db: Database, account: str, name: Name) -> None:
    """One invoice, one grant, and its end with its period: no renewal."""
    published(db, name("once"), billing_model="one_off", fee="60", credits="20")
    db.subscribe(account, name("once"), subscription_id=name("sub"))
    db.advance_clock(account, MARCH_END)
    assert db.subscription(name("sub")).state == "ended"
    assert [each.due for each in db.invoices(account)] == [Money(6000, "USD")]
    assert [each.amount for each in db.grants(account)] == [Decimal(20)]


def test_a_one_off_plan_goes_on_only_as_was_planned(db: Database, account: str, name: Name) -> None:
    published(db, name("once"), billing_model="one_off", fee="60", credits="20")
    published(db, name("monthly"), fee="10", credits="5")
    db.subscribe(account, name("once"), subscription_id=name("sub"))
    db.change_plan(name("sub"), name("monthly"), change_id="c", when="period_end")
    db.advance_clock(account, FEBRUARY_END)
    assert db.subscription(name("sub")).state == "active"
    assert [each.due for each in db.invoices(account)] == [Money(6000, "USD"), Money(1000, "USD")]
    assert db.balance(account, "credits").available == Decimal(5)
