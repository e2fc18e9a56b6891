"""Overage beside other subscriptions: whoever priced it when it was used bills it, late or corrected too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from drawdown.client.interface import Database

from .conftest import START
from .plans import published
from .test_invoices import APRIL_END, FEBRUARY_END, GRACE, overage_plan

Name = Callable[[str], str]
Billed = dict[str, list[tuple[str, Decimal]]]
HUNDRED = Decimal(100)
YEAR_END = START + timedelta(days=365)


def subscribe(db: Database, account: str, name: Name, which: str, price: str, **settings: object) -> None:
    """A plan of 100 credits, and past them at this price."""
    published(db, name(which), **overage_plan(price, **settings))
    db.subscribe(account, name(which), subscription_id=name(which))


def use_past_zero(db: Database, account: str, credits: int, event_id: str) -> Decimal:
    """All that there is, and so many credits beyond; answers what was charged."""
    free = max(db.balance(account, "credits").available, Decimal(0))
    result = db.record(account, credit_type="credits", credits=free + credits, event_id=event_id)
    assert result.status == "OK"
    return result.charged


def billed(db: Database, account: str, until: datetime) -> Billed:
    """Amount and credits of the lines for overage, by the plan whose price they have."""
    db.advance_clock(account, until + GRACE)
    found: Billed = {}
    for invoice in db.invoices(account):
        for line in invoice.lines:
            if line.kind in ("overage", "adjustment"):
                plan = line.plan_key.split("-")[0]
                found.setdefault(plan, []).append((str(line.amount.decimal()), line.quantity))
    return found


@pytest.mark.parametrize("days", [0, 10], ids=["of-one-anchor", "of-another-anchor"])
def test_the_newest_subscription_bills_overage_whichever_closes_first(
    db: Database, account: str, name: Name, days: int
) -> None:
    """0.01 in the older plan, 0.50 in the newer: 100 past zero are 50.00, once."""
    subscribe(db, account, name, "older", "0.01")
    db.advance_clock(account, START + timedelta(days=days))
    subscribe(db, account, name, "newer", "0.50")
    db.advance_clock(account, START + timedelta(days=12))
    use_past_zero(db, account, 100, "e")
    assert billed(db, account, APRIL_END) == {"newer": [("50.00", HUNDRED)]}


def test_what_was_used_before_a_subscription_began_keeps_its_price(
    db: Database, account: str, name: Name
) -> None:
    """100 past zero at 0.01; a plan at 0.50 comes and is cancelled two days later: 1.00, not 50.00."""
    subscribe(db, account, name, "older", "0.01")
    db.advance_clock(account, START + timedelta(days=10))
    use_past_zero(db, account, 100, "e")
    subscribe(db, account, name, "newer", "0.50")
    db.advance_clock(account, START + timedelta(days=12))
    db.cancel_subscription(name("newer"), when="now")
    assert billed(db, account, APRIL_END) == {"older": [("1.00", HUNDRED)]}


@pytest.mark.parametrize("days", [30, 60], ids=["within-the-window", "beyond-it"])
def test_what_others_closed_settles_nothing_of_an_open_year(
    db: Database, account: str, name: Name, days: int
) -> None:
    """Two older ones are cancelled, at most or more than a dedupe window apart; then the newest is used."""
    subscribe(db, account, name, "first", "0.01", billing_period="yearly")
    subscribe(db, account, name, "second", "0.02", billing_period="yearly")
    db.advance_clock(account, START + timedelta(days=10))
    subscribe(db, account, name, "newest", "1", billing_period="yearly")
    for which, day in (("first", 20), ("second", days)):
        db.advance_clock(account, START + timedelta(days=day))
        db.cancel_subscription(name(which), when="now")
    db.advance_clock(account, START + timedelta(days=days + 3))
    use_past_zero(db, account, 100, "e")
    assert billed(db, account, START + timedelta(days=377)) == {"newest": [("100.00", HUNDRED)]}


def test_each_bills_what_was_used_while_it_was_the_newest(db: Database, account: str, name: Name) -> None:
    """100 before a newer one, 100 while it lasts, 100 after it: 200 at 0.01 and 100 at 0.50."""
    subscribe(db, account, name, "older", "0.01")
    db.advance_clock(account, START + timedelta(days=1))
    use_past_zero(db, account, 100, "before")
    subscribe(db, account, name, "newer", "0.50")
    use_past_zero(db, account, 100, "while")
    db.advance_clock(account, START + timedelta(days=5))
    db.cancel_subscription(name("newer"), when="now")
    use_past_zero(db, account, 100, "after")
    assert billed(db, account, APRIL_END) == {"newer": [("50.00", HUNDRED)], "older": [("2.00", 2 * HUNDRED)]}


def test_late_usage_is_billed_by_the_one_of_its_time(db: Database, account: str, name: Name) -> None:
    subscribe(db, account, name, "older", "0.01")
    db.advance_clock(account, START + timedelta(days=10))
    subscribe(db, account, name, "newer", "0.50")
    use_past_zero(db, account, 100, "present")
    db.advance_clock(account, START + timedelta(days=11))
    before = START + timedelta(days=9)
    assert db.record(account, credit_type="credits", credits="100", event_id="late", time=before)
    assert billed(db, account, APRIL_END) == {"older": [("1.00", HUNDRED)], "newer": [("50.00", HUNDRED)]}


def test_a_yearly_one_bills_at_its_end_what_was_used_before_a_monthly_one(
    db: Database, account: str, name: Name
) -> None:
    """Its usage waits while eleven billing periods of the newer close, far beyond the dedupe window."""
    subscribe(db, account, name, "yearly", "0.01", billing_period="yearly")
    db.advance_clock(account, START + timedelta(days=1))
    use_past_zero(db, account, 100, "before")
    subscribe(db, account, name, "newer", "0.50")
    for month in range(6):
        db.advance_clock(account, START + timedelta(days=2 + 30 * month))
        use_past_zero(db, account, 100, f"month-{month}")
    assert billed(db, account, YEAR_END) == {
        "newer": [("50.00", HUNDRED)] * 6,
        "yearly": [("1.00", HUNDRED)],
    }


def test_one_on_trial_prices_nothing_until_it_is_paid_for(db: Database, account: str, name: Name) -> None:
    subscribe(db, account, name, "older", "0.01")
    use_past_zero(db, account, 100, "before")
    subscribe(db, account, name, "newer", "0.50", trial={"days": 7, "credits": "10"})
    db.advance_clock(account, START + timedelta(days=8))
    use_past_zero(db, account, 100, "converted")
    assert billed(db, account, APRIL_END) == {"older": [("1.00", HUNDRED)], "newer": [("50.00", HUNDRED)]}


def test_a_preview_has_the_overage_of_each_at_its_price(db: Database, account: str, name: Name) -> None:
    subscribe(db, account, name, "older", "0.01")
    use_past_zero(db, account, 100, "before")
    db.advance_clock(account, START + timedelta(days=1))
    subscribe(db, account, name, "newer", "0.50")
    use_past_zero(db, account, 100, "after")
    amounts = [str(line.amount.decimal()) for line in db.preview_invoice(account).lines]
    assert sorted(amounts) == ["1.00", "50.00"]


@pytest.mark.parametrize("how", ["beside-another", "before-another"])
def test_a_correction_after_a_cancellation_now_is_credited_at_the_price_that_was_paid(
    db: Database, account: str, name: Name, how: str
) -> None:
    """100 past zero at 1.00 were paid with the last invoice: corrected away they are 100.00 back, whatever
    the plan costs that goes on or follows."""
    if how == "beside-another":
        subscribe(db, account, name, "cheap", "0.01")
    subscribe(db, account, name, "dear", "1.00")
    db.advance_clock(account, START + timedelta(days=3))
    used = use_past_zero(db, account, 100, "e")
    db.cancel_subscription(name("dear"), when="now")
    db.advance_clock(account, START + timedelta(days=4))
    if how == "before-another":
        subscribe(db, account, name, "cheap", "0.01")
    corrected = db.correct(account, "e", credits=used - 100, correction_id="k")
    assert corrected.difference == -HUNDRED
    assert billed(db, account, FEBRUARY_END + timedelta(days=32)) == {
        "dear": [("100.00", HUNDRED), ("-100.00", -HUNDRED)]
    }
